//! Issuer, audience and subject are compared byte for byte (RFC 8725, 3.8 and 3.9;
//! RFC 7523, 3). The issuer's own key signs.

use local_cloud::names;
use serde_json::{Value, json};

use super::{Attack, attack};
use crate::draft::Draft;

pub(super) fn attacks() -> Vec<Attack> {
    [issuers(), audiences(), subjects(), tenants(), repeated()]
        .into_iter()
        .flatten()
        .collect()
}

fn issuers() -> Vec<Attack> {
    let other = |name, make: fn(&str) -> String| {
        attack(name, move |token| {
            let issuer = make(&token.text("iss"));
            token.claim("iss", issuer);
        })
        .shut(700_211, "TokenIssuer")
    };
    let no_text = |name, value: Value| {
        attack(name, move |token| token.claim("iss", value.clone())).shut(50_027, "TokenIssuer")
    };
    vec![
        other("an issuer without its slash", |issuer| {
            issuer.trim_end_matches('/').to_owned()
        }),
        other("an issuer with another slash", |issuer| {
            format!("{issuer}/")
        }),
        other("an issuer in capitals", str::to_uppercase),
        other("an issuer whose host is in capitals", |issuer| {
            let (scheme, rest) = issuer.split_once("://").unwrap_or_default();
            let (host, path) = rest.split_once('/').unwrap_or_default();
            format!("{scheme}://{}/{path}", host.to_uppercase())
        }),
        other("an issuer by http", |issuer| {
            issuer.replace("https://", "http://")
        }),
        other("an issuer whose host goes on", |issuer| {
            let (scheme, rest) = issuer.split_once("://").unwrap_or_default();
            let (host, path) = rest.split_once('/').unwrap_or_default();
            format!("{scheme}://{host}.evil.example/{path}")
        }),
        other("an issuer with a user name", |issuer| {
            issuer.replace("https://", "https://evil@")
        }),
        other("an issuer with letters that look alike", |issuer| {
            issuer.replace('o', "о")
        }),
        other("an issuer with a port", |issuer| {
            let (scheme, rest) = issuer.split_once("://").unwrap_or_default();
            format!("{scheme}://{}", rest.replacen('/', ":443/", 1))
        }),
        other("an issuer with blanks around", |issuer| {
            format!(" {issuer} ")
        }),
        other("an issuer with a query", |issuer| format!("{issuer}?x=1")),
        other("an issuer with a NUL", |issuer| format!("{issuer}\0")),
        attack("an issuer where somebody listens", |token| {
            let issuer = format!("https://{}/", token.ear);
            token.claim("iss", issuer);
            token.by_stranger();
            token.header("kid", Draft::strangers_id());
        })
        .shut_at_token_endpoint(700_211)
        .shut_at_backend(),
        no_text(
            "several issuers",
            json!(["https://one.example/", "https://two.example/"]),
        ),
        no_text("an issuer that is nothing", Value::Null),
        attack("no issuer", |token| token.without("iss")).shut(50_027, "TokenIssuer"),
    ]
}

fn audiences() -> Vec<Attack> {
    let other = |name, make: fn(&str) -> String| {
        attack(name, move |token| {
            let audience = audience(token);
            token.claim("aud", make(&audience));
        })
        .shut(700_212, "TokenAudience")
    };
    let not_one = |name, make: fn(String) -> Value| {
        attack(name, move |token| {
            let audience = audience(token);
            token.claim("aud", make(audience));
        })
        .shut(50_027, "TokenAudience")
    };
    vec![
        other("another audience", |_| {
            "https://management.azure.com".to_owned()
        }),
        other("an audience that goes on", |audience| {
            format!("{audience}.evil.example")
        }),
        other("the beginning of the audience", |audience| {
            audience[..audience.len() - 1].to_owned()
        }),
        other("the audience in capitals", str::to_uppercase),
        other("an audience with a blank", |audience| {
            format!("{audience} ")
        }),
        other("two audiences in one text", |audience| {
            format!("{audience} other")
        }),
        not_one("the audience and another", |audience| {
            json!([audience, "other"])
        }),
        not_one("another and the audience", |audience| {
            json!(["other", audience])
        }),
        not_one("the audience twice", |audience| json!([audience, audience])),
        not_one("no audience in a list", |_| json!([])),
        not_one("a list in a list", |audience| json!([[audience]])),
        not_one("an audience that is a number", |_| json!(1)),
        not_one("an audience that is nothing", |_| Value::Null),
        not_one(
            "an audience that has members",
            |audience| json!({ audience: true }),
        ),
        attack("no audience", |token| token.without("aud")).shut(50_027, "TokenAudience"),
    ]
}

/// The audience: a list of one from Kubernetes, a text from Entra ID.
fn audience(token: &Draft<'_>) -> String {
    let audience = &token.claims["aud"];
    let text = audience.as_str().or_else(|| audience[0].as_str());
    text.unwrap_or_default().to_owned()
}

fn subjects() -> Vec<Attack> {
    let other = |name, make: fn(&str) -> String| {
        attack(name, move |token| {
            let subject = make(&token.text("sub"));
            token.claim("sub", subject);
        })
        .shut_at_token_endpoint(700_213)
        .forbidden_at_backend()
    };
    let principal = |name, value: Value| {
        attack(name, move |token| token.claim("oid", value.clone()))
            .shut_at_resources("TokenPrincipal")
    };
    vec![
        other("the beginning of the subject", |subject| {
            subject[..subject.len() - 1].to_owned()
        }),
        other("a subject that goes on", |subject| format!("{subject}-2")),
        other("a wildcard for the account", |_| {
            "system:serviceaccount:todolist:*".to_owned()
        }),
        other("a wildcard for everything", |_| "*".to_owned()),
        other("another namespace", |subject| {
            subject.replace(":todolist:", ":todolist-2:")
        }),
        other("a subject with a blank", |subject| format!("{subject} ")),
        other("a subject with a line more", |subject| {
            format!("{subject}\nroot")
        }),
        attack("a subject in other letters", |token| {
            let subject = token.text("sub").to_uppercase();
            token.claim("sub", subject);
        })
        .shut_at_token_endpoint(7_002_138)
        .forbidden_at_backend(),
        attack("several subjects", |token| {
            let subject = token.text("sub");
            token.claim("sub", json!([subject]));
        })
        .shut_at_token_endpoint(NO_SUBJECT)
        .shut_at_backend(),
        attack("no subject", |token| token.without("sub"))
            .shut_at_token_endpoint(NO_SUBJECT)
            .shut_at_backend(),
        principal(
            "a principal that is not there",
            json!(names::object_id("nobody")),
        ),
        principal("a principal that is a wildcard", json!("*")),
        principal(
            "the client id for a principal",
            json!(names::client_id("frontend")),
        ),
        principal("several principals", json!([names::object_id("frontend")])),
        attack("no principal", |token| token.without("oid")).shut_at_resources("TokenPrincipal"),
    ]
}

/// Which tenant a token is of is asked by who takes the tokens of Entra ID.
fn tenants() -> Vec<Attack> {
    const OTHER: &str = "11111111-1111-1111-1111-111111111111";
    vec![
        attack("another tenant's issuer", |token| {
            token.claim("iss", format!("https://sts.windows.net/{OTHER}/"));
        })
        .shut_at_resources("TokenIssuer"),
        attack("another tenant in tid", |token| token.claim("tid", OTHER))
            .shut_at_resources("TokenIssuer"),
        attack("no tenant", |token| token.without("tid")).shut_at_resources("TokenIssuer"),
        attack(
            "the issuer of version 2.0 for a resource of version 1.0",
            |token| {
                let issuer = format!(
                    "https://login.microsoftonline.com/{}/v2.0",
                    names::tenant_id()
                );
                token.claim("iss", issuer);
            },
        )
        .shut_at_resources("TokenIssuer"),
    ]
}

/// What two readers would read differently (RFC 7519, 4).
fn repeated() -> Vec<Attack> {
    let twice = |name, member: &'static str, in_header: bool| {
        attack(name, move |token| {
            let part = if in_header {
                &token.header
            } else {
                &token.claims
            };
            let value = &part[member];
            let text = part
                .to_string()
                .replacen('{', &format!("{{\"{member}\":{value},"), 1);
            let text = Some(text.into_bytes());
            if in_header {
                token.header_text = text;
            } else {
                token.claims_text = text;
            }
        })
        .shut(50_027, "TokenMalformed")
    };
    vec![
        twice("the audience stands there twice", "aud", false),
        twice("the issuer stands there twice", "iss", false),
        twice("the subject stands there twice", "sub", false),
        twice("the expiry stands there twice", "exp", false),
        twice("the algorithm stands there twice", "alg", true),
        twice("the key's id stands there twice", "kid", true),
        attack("the audience stands there twice, once escaped", |token| {
            let text = token
                .claims
                .to_string()
                .replacen('{', r#"{"\u0061ud":"other","#, 1);
            token.claims_text = Some(text.into_bytes());
        })
        .shut(50_027, "TokenMalformed"),
    ]
}

/// A subject that is not there, or is no text.
const NO_SUBJECT: u32 = 700_022;
