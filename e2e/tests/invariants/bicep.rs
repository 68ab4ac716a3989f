//! The templates, without Azure: they are Bicep, their resources have the form of
//! Azure's own types, they make what the access model says and nothing else, no
//! resource takes a key, and what the overlay needs comes out.
//!
//! Each check is shown to turn red: a mistake is planted in the text of a file.
//! What they cannot see is what Bicep's compiler and Azure would say.

mod contents;
mod deployment;
mod grants;
mod hardened;
mod hooks;
mod identities;
mod model;
mod outcome;
mod outputs;
mod queries;
mod reach;
mod schema;
mod template;
mod trusts;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use schema::Schemas;
use serde_json::Value;
use template::Template;

/// The files that the checks read, from the repository, with `/`.
#[derive(Clone)]
struct Files(BTreeMap<String, String>);

impl Files {
    fn read() -> Self {
        let mut files = BTreeMap::new();
        for directory in ["infra", "docs", "k8s/base", "k8s/components"] {
            collect(&e2e::repository().join(directory), &mut files);
        }
        for file in ["azure.yaml", ".devcontainer/devcontainer.json"] {
            files.insert(file.to_owned(), read(&e2e::repository().join(file)));
        }
        Self(files)
    }

    fn text(&self, file: &str) -> &str {
        let text = self.0.get(file);
        text.unwrap_or_else(|| panic!("there is no {file}"))
    }

    fn json(&self, file: &str) -> Value {
        serde_json::from_str(self.text(file)).unwrap_or_else(|error| panic!("{file}: {error}"))
    }

    /// The files of a directory whose names end so.
    fn below<'a>(
        &'a self,
        directory: &'a str,
        end: &'a str,
    ) -> impl Iterator<Item = (&'a str, &'a str)> {
        let all = self
            .0
            .iter()
            .map(|(file, text)| (file.as_str(), text.as_str()));
        all.filter(move |(file, _)| file.starts_with(directory) && file.ends_with(end))
    }

    /// The same with another text in one place, which has to be there once.
    fn with(&self, file: &str, from: &str, to: &str) -> Self {
        let mut changed = self.clone();
        let text = changed
            .0
            .get_mut(file)
            .unwrap_or_else(|| panic!("there is no {file}"));
        assert_eq!(text.matches(from).count(), 1, "`{from}` in {file}");
        *text = text.replace(from, to);
        changed
    }

    fn templates(&self) -> Result<Vec<Template>, Vec<String>> {
        let mut templates = Vec::new();
        let mut wrong = Vec::new();
        for (file, text) in self.below("infra/", ".bicep") {
            match Template::read(&file["infra/".len()..], text) {
                Ok(template) => templates.push(template),
                Err(mistakes) => wrong.extend(mistakes),
            }
        }
        if wrong.is_empty() {
            Ok(templates)
        } else {
            Err(wrong)
        }
    }

    fn schemas(&self) -> Schemas {
        Schemas::read(self.below("infra/schemas/", ".json"))
    }
}

fn collect(directory: &Path, files: &mut BTreeMap<String, String>) {
    for entry in fs::read_dir(directory).expect("a directory") {
        let path = entry.expect("an entry").path();
        let text = ["bicep", "json", "kql", "md", "sh", "yaml"];
        let is_text = path
            .extension()
            .is_some_and(|own| text.iter().any(|one| own == *one));
        if path.is_dir() {
            collect(&path, files);
        } else if is_text {
            let name = path
                .strip_prefix(e2e::repository())
                .expect("in the repository");
            files.insert(name.to_string_lossy().into_owned(), read(&path));
        }
    }
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// A mistake: in a file, a text and what is written in its place; and what the
/// check says of it.
type Planted<'a> = (&'a str, &'a str, &'a str, &'a str);

/// The repository has nothing wrong, and each planted mistake is told.
fn holds(check: impl Fn(&Files) -> Vec<String>, planted: &[Planted<'_>]) {
    let files = Files::read();
    let wrong = check(&files);
    assert!(wrong.is_empty(), "{wrong:#?}");
    for (file, from, to, expected) in planted {
        let wrong = check(&files.with(file, from, to));
        let told = wrong.iter().any(|one| one.contains(expected));
        assert!(told, "{file}: `{to}` in place of `{from}`: {wrong:#?}");
    }
}

/// A check of the templates, once they are Bicep.
fn of_templates(
    check: impl Fn(&Files, &[Template]) -> Vec<String>,
) -> impl Fn(&Files) -> Vec<String> {
    move |files| match files.templates() {
        Ok(templates) => check(files, &templates),
        Err(wrong) => wrong,
    }
}

#[test]
fn every_template_is_bicep() {
    holds(
        |files| files.templates().err().unwrap_or_default(),
        &[
            (
                "infra/main.bicep",
                "targetScope = 'subscription'",
                "targetScope 'subscription'",
                "no Bicep",
            ),
            (
                "infra/modules/storage.bicep",
                "sku: {\n    name: sku\n  }",
                "sku: {\n    name: sku\n",
                "no Bicep",
            ),
        ],
    );
}

#[test]
fn every_resource_has_the_form_of_its_type() {
    holds(
        of_templates(|files, templates| {
            let schemas = files.schemas();
            let wrong = templates.iter().flat_map(|one| schemas.mistakes(one));
            wrong.collect()
        }),
        &[
            // Members that are not there, that have to be, and that stand too deep.
            (
                "infra/modules/storage.bicep",
                "allowSharedKeyAccess",
                "allowSharedKeysAccess",
                "allowSharedKeysAccess is unknown",
            ),
            (
                "infra/modules/key-vault.bicep",
                "tenantId: tenant",
                "owner: tenant",
                "needs `tenantId`",
            ),
            (
                "infra/modules/key-vault.bicep",
                "enabled: true\n",
                "enabled: true\n        retained: 7\n",
                "retained is unknown",
            ),
            (
                "infra/modules/network.bicep",
                "direction: 'Inbound'\n          access: 'Deny'",
                "access: 'Deny'",
                "needs `direction`",
            ),
            // A word that is none of the choices, here and where it chooses the form.
            (
                "infra/modules/storage.bicep",
                "'Hot'",
                "'Hott'",
                "accessTier has to be Hot",
            ),
            (
                "infra/modules/cosmos.bicep",
                "type: 'Continuous'",
                "type: 'Continual'",
                "`type` has to be one of",
            ),
            // A text in place of a number, and one of something else.
            (
                "infra/modules/cosmos.bicep",
                "failoverPriority: 0",
                "failoverPriority: '0'",
                "failoverPriority has to be int",
            ),
            (
                "infra/modules/storage.bicep",
                "'TLS1_2'",
                "true",
                "minimumTlsVersion has to be",
            ),
            // A version that nobody looked at, and what is new in the one of the cluster.
            (
                "infra/modules/registry.bicep",
                "registries@2025-04-01",
                "registries@2025-04-02",
                "in no schema",
            ),
            (
                "infra/modules/cluster.bicep",
                "installation: 'Standard'",
                "installed: true",
                "gatewayAPI.installed is unknown",
            ),
            (
                "infra/modules/cluster.bicep",
                "localDNSProfile: {",
                "localDnsProfile: {",
                "localDnsProfile is unknown",
            ),
        ],
    );
}
