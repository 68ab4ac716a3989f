//! Who reaches nodes, the API server and private endpoints, as the templates work out.

use serde_json::{Value as Json, json};

use super::deployment::{Deployment, Made};
use super::outcome::main_parameters;
use super::template::Template;
use super::{Files, holds, of_templates};

/// What `main.bicep` makes with these parameters beside those that have no default.
fn made(files: &Files, templates: &[Template], more: &[(&'static str, Json)]) -> Vec<Made> {
    let parameters = [main_parameters(), more.to_vec()].concat();
    let deployment = Deployment::new(files, templates, "main.bicep", &parameters);
    deployment
        .resources()
        .unwrap_or_else(|error| panic!("{error}"))
}

fn body<'a>(made: &'a [Made], start: &str) -> &'a Json {
    let found = made.iter().find(|one| one.id.starts_with(start));
    &found.unwrap_or_else(|| panic!("no {start}")).body
}

/// Ports that a security group lets in, each with whom.
fn let_in(group: &Json) -> Vec<(String, String)> {
    let rules = group["properties"]["securityRules"].as_array();
    let each = rules.into_iter().flatten().map(|rule| &rule["properties"]);
    let allowed = each.filter(|rule| rule["access"] == "Allow" && rule["direction"] == "Inbound");
    let mut found = Vec::new();
    for rule in allowed {
        let from = rule["sourceAddressPrefix"].as_str().unwrap_or_default();
        let ports = rule["destinationPortRanges"].as_array();
        let ports = ports.into_iter().flatten();
        let ports = ports.chain([&rule["destinationPortRange"]]);
        let ports = ports.filter_map(Json::as_str);
        found.extend(ports.map(|port| (port.to_owned(), from.to_owned())));
    }
    found.sort();
    found
}

/// The security group of the nodes' subnet is not the one that AKS keeps.
fn internet(files: &Files, templates: &[Template]) -> Vec<String> {
    let mut wrong = Vec::new();
    let gateway = files.text("k8s/components/gateway/gateway.yaml");
    let listening = gateway
        .lines()
        .filter_map(|line| line.trim().strip_prefix("port: "));
    let mut listening: Vec<_> = listening
        .map(|port| (port.to_owned(), "Internet".to_owned()))
        .collect();
    listening.sort();
    for (on, expected) in [(false, Vec::new()), (true, listening)] {
        let made = made(files, templates, &[("gateway", json!(on))]);
        let found = let_in(body(
            &made,
            "/Microsoft.Network/networkSecurityGroups/nsg-nodes",
        ));
        if found != expected {
            wrong.push(format!(
                "nodes: gateway {on} lets in {found:?}, and the component listens on {expected:?}"
            ));
        }
    }
    wrong
}

#[test]
fn the_internet_reaches_what_the_gateway_listens_on_and_nothing_without_it() {
    holds(
        of_templates(internet),
        &[
            (
                "infra/modules/network.bicep",
                "securityRules: gateway ? [",
                "securityRules: !gateway ? [",
                "gateway true lets in []",
            ),
            (
                "infra/modules/network.bicep",
                "destinationPortRange: '443'",
                "destinationPortRange: '*'",
                "gateway true lets in [(\"*\", \"Internet\")]",
            ),
            (
                "infra/main.bicep",
                "    token: token\n    gateway: gateway\n",
                "    token: token\n    gateway: true\n",
                "gateway false lets in [(\"443\"",
            ),
            (
                "k8s/components/gateway/gateway.yaml",
                "    - name: https\n",
                "    - name: http\n      port: 80\n    - name: https\n",
                "the component listens on [(\"443\", \"Internet\"), (\"80\", \"Internet\")]",
            ),
        ],
    );
}

/// The nodes come to the API server from the NAT gateway's address.
fn nodes_at_the_api_server(files: &Files, templates: &[Template]) -> Vec<String> {
    let own = "</Microsoft.Network/publicIPAddresses/pip-nat-unique.properties.ipAddress>/32";
    let mut wrong = Vec::new();
    for (given, expected) in [
        ("", json!([])),
        ("203.0.113.7/32", json!(["203.0.113.7/32", own])),
        (
            "10.1.0.0/16,10.2.0.0/16",
            json!(["10.1.0.0/16", "10.2.0.0/16", own]),
        ),
    ] {
        let made = made(files, templates, &[("apiServerRanges", json!(given))]);
        let gateway = body(&made, "/Microsoft.Network/natGateways/");
        let address = gateway["properties"]["publicIpAddresses"][0]["id"].as_str();
        if address != Some("/Microsoft.Network/publicIPAddresses/pip-nat-unique") {
            wrong.push(format!("the NAT gateway has the address {address:?}"));
        }
        let cluster = body(&made, "/Microsoft.ContainerService/managedClusters/");
        let found = &cluster["properties"]["apiServerAccessProfile"]["authorizedIPRanges"];
        if *found != expected {
            wrong.push(format!("`{given}` lets {found} reach the API server"));
        }
    }
    wrong
}

#[test]
fn nodes_reach_the_api_server_where_only_some_may() {
    holds(
        of_templates(nodes_at_the_api_server),
        &[
            (
                "infra/main.bicep",
                "concat(split(apiServerRanges, ','), ['${network.outputs.outboundAddress}/32'])",
                "split(apiServerRanges, ',')",
                "`203.0.113.7/32` lets [\"203.0.113.7/32\"] reach",
            ),
            (
                "infra/main.bicep",
                "empty(apiServerRanges) ? [] : concat(split(apiServerRanges, ','), ",
                "concat(split(apiServerRanges, ','), ",
                "`` lets [\"\",",
            ),
            (
                "infra/modules/cluster.bicep",
                "authorizedIPRanges: apiServerRanges",
                "authorizedIPRanges: []",
                "lets [] reach",
            ),
        ],
    );
}

/// Pods reach private endpoints at the ports that their policies open.
fn private_endpoints(files: &Files, templates: &[Template]) -> Vec<String> {
    let component = files.text("k8s/components/cosmos-direct/kustomization.yaml");
    let added = component
        .lines()
        .filter_map(|line| line.trim().strip_prefix("value: { protocol: TCP, port: "));
    let added = added.map(|rest| rest.trim_end_matches(" }"));
    let nodes = "10.224.0.0/20".to_owned();
    let mut expected: Vec<_> = ["443", "5671"]
        .into_iter()
        .chain(added)
        .map(|port| (port.to_owned(), nodes.clone()))
        .collect();
    expected.sort();
    let made = made(files, templates, &[("privateEndpoints", json!(true))]);
    let group = body(
        &made,
        "/Microsoft.Network/networkSecurityGroups/nsg-endpoints",
    );
    let found = let_in(group);
    if found == expected {
        return Vec::new();
    }
    vec![format!(
        "private endpoints let in {found:?}, and pods may go to {expected:?}"
    )]
}

#[test]
fn pods_reach_private_endpoints_at_the_ports_that_their_policies_open() {
    holds(
        of_templates(private_endpoints),
        &[
            (
                "infra/modules/network.bicep",
                "'5671', '10250']",
                "'5671']",
                "let in [(\"443\", \"10.224.0.0/20\"), (\"5671\", \"10.224.0.0/20\")],",
            ),
            (
                "infra/modules/network.bicep",
                "sourceAddressPrefix: nodeRange",
                "sourceAddressPrefix: '*'",
                "let in [(\"10250\", \"*\")",
            ),
            (
                "k8s/components/cosmos-direct/kustomization.yaml",
                "port: 10250 }",
                "port: 10255 }",
                "pods may go to [(\"10255\",",
            ),
        ],
    );
}

/// What AKS counts on at first: as many nodes as there are at least.
fn beginning(files: &Files, templates: &[Template]) -> Vec<String> {
    let mut wrong = Vec::new();
    for profile in ["workshop", "production"] {
        let made = made(files, templates, &[("profile", json!(profile))]);
        let cluster = body(&made, "/Microsoft.ContainerService/managedClusters/");
        let pools = cluster["properties"]["agentPoolProfiles"].as_array();
        for pool in pools.into_iter().flatten() {
            let number = |name: &str| pool[name].as_u64().unwrap_or_default();
            let between = number("minCount")..=number("maxCount");
            if !between.contains(&number("count")) {
                wrong.push(format!(
                    "{profile}: a pool begins with {} nodes, and may have {between:?}",
                    pool["count"]
                ));
            }
        }
    }
    wrong
}

#[test]
fn a_pool_begins_with_as_many_nodes_as_it_may_have() {
    holds(
        of_templates(beginning),
        &[
            (
                "infra/modules/cluster.bicep",
                "        count: minNodes\n",
                "",
                "workshop: a pool begins with null nodes, and may have 2..=4",
            ),
            (
                "infra/modules/cluster.bicep",
                "count: minNodes\n        minCount",
                "count: 2\n        minCount",
                "production: a pool begins with 2 nodes, and may have 3..=9",
            ),
        ],
    );
}
