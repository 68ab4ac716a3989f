//! A page as a person reads it, and the forms on it.

use reqwest::multipart::{self, Part};
use reqwest::{RequestBuilder, StatusCode};
use scraper::{ElementRef, Html, Selector};

/// A page as it was answered.
pub(crate) struct Page {
    pub(crate) status: StatusCode,
    /// Where it is.
    pub(crate) path: String,
    /// Its HTML.
    pub(crate) text: String,
}

/// A form with what it says already, hidden fields included.
#[derive(Clone, Debug)]
pub(crate) struct Form {
    pub(crate) action: String,
    pub(crate) fields: Vec<(String, String)>,
    /// A file's field, name and content.
    file: Option<(String, String, Vec<u8>)>,
}

impl Page {
    /// What the activity feed says, newest first: what happened, and to what.
    pub(crate) fn activity(&self) -> Vec<String> {
        self.all("ol.activity li p")
    }

    /// The titles of the to-dos.
    pub(crate) fn titles(&self) -> Vec<String> {
        self.all("li.todo p.title a")
    }

    /// What the page says of an attachment: its name, size, status.
    pub(crate) fn attachment(&self, name: &str) -> Option<String> {
        let mut files = self.all("ul.files > li").into_iter();
        files.find(|text| text.contains(name))
    }

    /// The words of each element that a selector finds.
    pub(crate) fn all(&self, css: &str) -> Vec<String> {
        let html = self.html();
        html.select(&selector(css)).map(words).collect()
    }

    /// The values of the fields that a selector finds.
    pub(crate) fn all_values(&self, css: &str) -> Vec<String> {
        let html = self.html();
        html.select(&selector(css)).filter_map(value).collect()
    }

    /// All words of the page.
    pub(crate) fn words(&self) -> String {
        words(self.html().root_element())
    }

    /// Every form.
    pub(crate) fn forms(&self) -> Vec<Form> {
        let html = self.html();
        let forms = selector("form[method=post]");
        html.select(&forms).map(Form::read).collect()
    }

    /// The form whose address ends like this.
    pub(crate) fn form(&self, what: &str) -> Form {
        let html = self.html();
        let form = find_form(html.root_element(), what);
        form.unwrap_or_else(|| panic!("no form leads to {what}: {}", self.words()))
    }

    /// The form of a to-do's row whose address ends like this.
    pub(crate) fn form_of(&self, title: &str, what: &str) -> Form {
        let html = self.html();
        let todo = html
            .select(&selector("li.todo"))
            .find(|todo| words(*todo).contains(title));
        let todo = todo.unwrap_or_else(|| panic!("there is no to-do {title:?}: {}", self.words()));
        let form = find_form(todo, what);
        form.unwrap_or_else(|| panic!("{title:?} cannot be {what}"))
    }

    /// Where the link of these words leads.
    pub(crate) fn link(&self, text: &str) -> String {
        let html = self.html();
        let link = html
            .select(&selector("main a"))
            .find(|link| words(*link) == text);
        let link = link.unwrap_or_else(|| panic!("there is no link {text:?}: {}", self.words()));
        link.attr("href").expect("a link has an address").to_owned()
    }

    fn html(&self) -> Html {
        Html::parse_document(&self.text)
    }
}

impl Form {
    fn read(form: ElementRef<'_>) -> Self {
        let fields = selector("input[name], textarea[name], select[name]");
        let fields = form
            .select(&fields)
            .filter_map(|field| Some((field.attr("name")?.to_owned(), value(field)?)));
        Self {
            action: form.attr("action").expect("an address").to_owned(),
            fields: fields.collect(),
            file: None,
        }
    }

    /// With something in each field that a person has to fill.
    pub(crate) fn filled(&self) -> Self {
        let mut filled = self.clone();
        let empty = filled
            .fields
            .iter_mut()
            .filter(|(name, value)| value.is_empty() && ["name", "title"].contains(&name.as_str()));
        for (_, value) in empty {
            "Stored".clone_into(value);
        }
        filled
    }

    /// With another value in a field.
    #[must_use]
    pub(crate) fn with(mut self, name: &str, value: &str) -> Self {
        self.fields.retain(|(own, _)| own != name);
        self.fields.push((name.to_owned(), value.to_owned()));
        self
    }

    #[must_use]
    pub(crate) fn without(mut self, name: &str) -> Self {
        self.fields.retain(|(own, _)| own != name);
        self
    }

    /// With a file.
    #[must_use]
    pub(crate) fn with_file(mut self, field: &str, name: &str, content: &[u8]) -> Self {
        self.file = Some((field.to_owned(), name.to_owned(), content.to_owned()));
        self
    }

    /// The value of a field.
    pub(crate) fn value(&self, name: &str) -> &str {
        let mut fields = self.fields.iter();
        let field = fields.find(|(own, _)| own == name);
        let (_, value) = field.unwrap_or_else(|| panic!("no field {name} in {self:?}"));
        value
    }

    /// As the body of a request.
    pub(super) fn fill(&self, request: RequestBuilder) -> RequestBuilder {
        let Some((field, name, content)) = &self.file else {
            return request.form(&self.fields);
        };
        let mut form = multipart::Form::new();
        for (name, value) in &self.fields {
            form = form.text(name.clone(), value.clone());
        }
        let part = Part::bytes(content.clone()).file_name(name.clone());
        let part = part.mime_str("application/octet-stream");
        request.multipart(form.part(field.clone(), part.expect("a media type")))
    }
}

fn find_form(within: ElementRef<'_>, what: &str) -> Option<Form> {
    let forms = selector("form[method=post]");
    let mut forms = within.select(&forms).map(Form::read);
    forms.find(|form| form.action.ends_with(what))
}

/// What a field sends as it is; `None` if nothing.
fn value(field: ElementRef<'_>) -> Option<String> {
    let own = || field.attr("value").unwrap_or_default().to_owned();
    match (field.value().name(), field.attr("type")) {
        (_, Some("file")) => None,
        (_, Some("checkbox")) => field.attr("checked").map(|_| own()),
        // The parser leaves out the line break at the beginning, as a browser does.
        ("textarea", _) => Some(field.text().collect()),
        ("select", _) => {
            let chosen = selector("option[selected]");
            let option = field.select(&chosen).next()?;
            option.attr("value").map(str::to_owned)
        }
        _ => Some(own()),
    }
}

fn selector(css: &str) -> Selector {
    Selector::parse(css).expect("a selector")
}

fn words(element: ElementRef<'_>) -> String {
    let text: String = element.text().collect();
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}
