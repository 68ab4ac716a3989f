//! What a secret looks like: a rule for each kind, by its form or by what stands
//! before it. Forms as Microsoft's and the field's scanners know them.
//!
//! A pattern proposes, its judge decides: a regular expression alone would take
//! placeholders and parts of longer words for secrets.

use std::ops::Range;
use std::sync::LazyLock;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use regex::bytes::Regex;
use serde_json::Value;

/// A kind of secret.
#[derive(Debug)]
pub struct Rule {
    /// What it is called, in text, JSON and exceptions.
    pub name: &'static str,
    /// What was found.
    pub what: &'static str,
    /// Patterns, each with a group `secret`, and perhaps a group `label`, which is
    /// shown; and who judges what they propose.
    forms: &'static [(&'static str, Judge)],
}

type Judge = fn(&Candidate<'_>) -> bool;

/// What a pattern proposes.
struct Candidate<'a> {
    content: &'a [u8],
    secret: Range<usize>,
}

/// A secret in a content.
#[derive(Debug)]
pub(super) struct Match {
    pub(super) rule: &'static Rule,
    /// The word before it, which is no secret.
    pub(super) label: String,
    pub(super) secret: Range<usize>,
}

/// Every rule. Where two find the same text, the first tells it.
pub static RULES: [Rule; 8] = [
    Rule {
        name: "private-key",
        what: "a private key",
        forms: &[
            // PEM (RFC 7468), OpenSSH, OpenPGP; also in a string with `\n`.
            (
                r#"(?-u)-----BEGIN (?P<label>(?:[A-Z0-9]+ )*PRIVATE KEY(?: BLOCK)?)-----(?:\s|\\r|\\n|["',+|])*(?:[A-Za-z-]+: [^\n\\]{0,200}(?:\n|\\n)\s*)*(?P<secret>[A-Za-z0-9+/=]{32,})"#,
                |it| !it.is_placeholder(),
            ),
            // PuTTY.
            (
                r"(?-u)(?P<label>Private-Lines): [0-9]+\r?\n(?P<secret>[A-Za-z0-9+/=]{32,})",
                |it| !it.is_placeholder(),
            ),
            // A JSON Web Key (RFC 7517) with its private part.
            (
                r#"(?-u)"(?P<label>d)"\s{0,9}:\s{0,9}"(?P<secret>[A-Za-z0-9_-]{42,})""#,
                |it| it.is_beside(b"\"kty\"") && !it.is_placeholder(),
            ),
        ],
    },
    Rule {
        name: "connection-string",
        what: "a connection string with its key",
        forms: &[(
            r#"(?i-u)(?:AccountName|DefaultEndpointsProtocol|AccountEndpoint|(?:Blob|Queue|Table|File)?Endpoint)=[^\s"'<>;]{1,512};(?:[^\s"'<>;]{1,512};){0,16}?(?P<label>AccountKey|SharedAccessKey|SharedAccessSignature)=(?P<secret>[^\s"'<>;\\]{16,})"#,
            |it| !it.is_placeholder(),
        )],
    },
    Rule {
        name: "account-key",
        what: "the key of an account or a namespace",
        forms: &[
            // 64 or 32 bytes in base64, perhaps in a URL, after a word with `key`.
            (
                r#"(?i-u)(?P<label>[a-z0-9_.-]{0,40}key[a-z0-9_]{0,20})["']?\s{0,4}(?:[:=]|%3d){1,2}\s{0,4}\\?["']?(?P<secret>(?:[a-z0-9+/]|%2[bf]){86}(?:==|%3d%3d)|(?:[a-z0-9+/]|%2[bf]){43}(?:=|%3d))"#,
                |it| !it.goes_on() && !it.is_placeholder(),
            ),
            // Storage and Cosmos DB, then Service Bus: keys with a mark of their own.
            (
                r"(?-u)(?:^|[^A-Za-z0-9+/])(?P<secret>[A-Za-z0-9+/]{76}(?:\+ASt|ACDb)[A-Za-z0-9+/]{6}==)",
                |it| !it.goes_on(),
            ),
            (
                r"(?-u)(?:^|[^A-Za-z0-9+/])(?P<secret>[A-Za-z0-9+/]{33}\+ASb[A-Za-z0-9+/]{6}=)",
                |it| !it.goes_on(),
            ),
            // Newer keys of many services, with a common mark.
            (
                r"(?-u)(?:^|[^A-Za-z0-9+/])(?P<secret>[A-Za-z0-9]{52}JQQJ9[9DH][A-Za-z0-9]{26,34})",
                |it| !it.goes_on(),
            ),
        ],
    },
    Rule {
        name: "shared-access-signature",
        what: "a signature made with a key",
        forms: &[
            // In a URL, in `SharedAccessSignature sr=..`, in Cosmos DB's header.
            (
                r"(?i-u)(?:^|[^a-z])(?P<label>sig)(?:=|%3d)(?P<secret>(?:[a-z0-9+/_-]|%2[bf]|%252[bf]){43}(?:=|%3d|%253d)?)",
                |it| it.is_of_shared_access() && !it.goes_on() && !it.is_placeholder(),
            ),
            (
                r"(?i-u)(?P<label>SharedKey(?:Lite)?)\s{1,4}[a-z0-9]{3,24}:(?P<secret>[a-z0-9+/]{43}=)",
                |it| !it.goes_on() && !it.is_placeholder(),
            ),
        ],
    },
    Rule {
        name: "client-secret",
        what: "the secret of an application in Entra ID",
        forms: &[
            (
                r"(?-u)(?:^|[^A-Za-z0-9_~.-])(?P<secret>[A-Za-z0-9_~.-]{3}[0-9]Q~[A-Za-z0-9_~.-]{31,34})",
                |it| !it.goes_on(),
            ),
            (
                r#"(?i-u)(?P<label>client[_-]?secret)["']?\s{0,4}[:=]\s{0,4}["']?(?P<secret>[a-z0-9_~.+/=-]{16,})"#,
                |it| it.is_mixed() && !it.is_placeholder(),
            ),
        ],
    },
    Rule {
        name: "password",
        what: "a password",
        forms: &[
            // In a connection string, then in a URL.
            (
                r#"(?i-u)(?:server|data source|host|endpoint|user id|uid|username|user)\s{0,4}=[^;\r\n"']{1,256};(?:[^;\r\n"']{1,256};){0,16}?\s{0,4}(?P<label>password|pwd)\s{0,4}=\s{0,4}(?P<secret>[^;\s"'<>\\]{4,})"#,
                |it| !it.is_placeholder(),
            ),
            (
                r#"(?i-u)[a-z][a-z0-9+.-]{1,20}://[^\s:/@"'<>{}]{1,64}:(?P<secret>[^\s:/@"'<>]{4,})@[a-z0-9\[]"#,
                |it| !it.is_placeholder(),
            ),
        ],
    },
    Rule {
        name: "jwt",
        what: "a signed token",
        forms: &[(
            r"(?-u)(?P<secret>e[yw][A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]{4,}\.[A-Za-z0-9_-]{20,})",
            |it| it.is_jwt(),
        )],
    },
    Rule {
        name: "session-token",
        what: "a session's or a bearer's token",
        forms: &[
            (
                r"(?i-u)\b(?P<label>bearer)\s{1,4}(?P<secret>[a-z0-9._~+/-]{32,}=*)",
                |it| it.is_mixed() && !it.is_placeholder(),
            ),
            (
                r"(?i-u)\b(?P<label>session(?:[_-]?id)?|(?:session|access|refresh|id)[_-]?token)=(?P<secret>[a-z0-9._~%+/-]{32,}=*)",
                |it| it.is_mixed() && !it.is_placeholder(),
            ),
        ],
    },
];

static PATTERNS: LazyLock<Vec<(&'static Rule, Regex, Judge)>> = LazyLock::new(|| {
    let compiled = |pattern: &str| Regex::new(pattern).expect("a rule's pattern is valid");
    let of_rule = |rule: &'static Rule| {
        let forms = rule.forms.iter();
        forms.map(move |(pattern, judge)| (rule, compiled(pattern), *judge))
    };
    RULES.iter().flat_map(of_rule).collect()
});

/// Every secret in a content, rule by rule.
pub(super) fn matches(content: &[u8]) -> Vec<Match> {
    let mut found: Vec<Match> = Vec::new();
    for (rule, pattern, judge) in &*PATTERNS {
        for captures in pattern.captures_iter(content) {
            let secret = captures.name("secret").expect("every pattern has it");
            let secret = secret.range();
            let candidate = Candidate {
                content,
                secret: secret.clone(),
            };
            let is_known = found
                .iter()
                .any(|own| own.secret.start < secret.end && secret.start < own.secret.end);
            if is_known || !judge(&candidate) {
                continue;
            }
            let label = captures.name("label");
            let label = label.map(|label| String::from_utf8_lossy(label.as_bytes()).into_owned());
            found.push(Match {
                rule,
                label: label.unwrap_or_default(),
                secret,
            });
        }
    }
    found
}

impl Candidate<'_> {
    fn secret(&self) -> &[u8] {
        &self.content[self.secret.clone()]
    }

    /// What stands before and after it, so many bytes of each.
    fn beside(&self, bytes: usize) -> (&[u8], &[u8]) {
        let from = self.secret.start.saturating_sub(bytes);
        let to = self.content.len().min(self.secret.end + bytes);
        let before = &self.content[from..self.secret.start];
        (before, &self.content[self.secret.end..to])
    }

    fn is_beside(&self, word: &[u8]) -> bool {
        let (before, after) = self.beside(8192);
        let has = |text: &[u8]| text.windows(word.len()).any(|part| part == word);
        has(before) || has(after)
    }

    /// Whether it is the beginning of something longer, and so something else.
    fn goes_on(&self) -> bool {
        let next = self.content.get(self.secret.end);
        next.is_some_and(|byte| byte.is_ascii_alphanumeric() || b"+/=_~-".contains(byte))
    }

    /// What is no secret but stands in its place: `<key>`, `{key}`, `$KEY`,
    /// `[redacted]`, `AAAA...`.
    fn is_placeholder(&self) -> bool {
        let secret = self.secret().to_ascii_lowercase();
        let has = |word: &str| {
            let mut parts = secret.windows(word.len());
            parts.any(|part| part == word.as_bytes())
        };
        let mut distinct = secret.clone();
        distinct.sort_unstable();
        distinct.dedup();
        secret.iter().any(|byte| b"<>{}[]$*".contains(byte))
            || has("redacted")
            || has("...")
            || (secret.len() >= 16 && distinct.len() < 8)
    }

    /// Letters and digits: no identifier of a program is like that for long.
    fn is_mixed(&self) -> bool {
        let count = |is: fn(&u8) -> bool| self.secret().iter().filter(|byte| is(byte)).count();
        count(u8::is_ascii_digit) >= 2 && count(u8::is_ascii_alphabetic) >= 2
    }

    /// Whether a field stands beside it that says until when it is good, for what,
    /// or with which key it was made.
    fn is_of_shared_access(&self) -> bool {
        const FIELDS: [&str; 6] = ["se", "sp", "sv", "sr", "skn", "type"];
        let ends = |byte: &u8| byte.is_ascii_whitespace() || b"\"'`<>".contains(byte);
        let (before, after) = self.beside(2048);
        // `SharedAccessSignature sr=..` has its space before the first field.
        let start = before.iter().rposition(ends).map_or(0, |at| at + 1);
        let end = after.iter().position(ends).unwrap_or(after.len());
        let around = [&before[start..], b"&", &after[..end]].concat();
        let around = String::from_utf8_lossy(&around).to_ascii_lowercase();
        let around = around.replace("%3d", "=").replace("%26", "&");
        let mut fields = around.split(['&', '?', ';']);
        // In `URL=sv=..` each is a name.
        fields.any(|field| {
            let mut names = field.rsplit('=').skip(1);
            !field.ends_with("type=aad") && names.any(|name| FIELDS.contains(&name))
        })
    }

    /// A header with an algorithm, and a payload (RFC 7519).
    fn is_jwt(&self) -> bool {
        let mut parts = self.secret().split(|byte| *byte == b'.').map(|part| {
            let decoded = URL_SAFE_NO_PAD.decode(part).ok()?;
            serde_json::from_slice::<Value>(&decoded).ok()
        });
        let header = parts.next().flatten();
        let payload = parts.next().flatten();
        header.is_some_and(|header| header["alg"].is_string())
            && payload.is_some_and(|payload| payload.is_object())
    }
}
