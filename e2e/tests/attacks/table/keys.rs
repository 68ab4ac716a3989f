//! A key is what the issuer has published under this very id, and nothing that a
//! token brings along or points at (RFC 8725, 3.10; RFC 7515, 4.1).
//!
//! What an issuer may publish (weak keys, one id twice, redirects, a discovery
//! document elsewhere) is tested where the documents can be played:
//! `entra::issuer_keys::tests` of the local cloud, and `caller::tests` of the
//! platform.

use serde_json::json;

use super::{Attack, attack};
use crate::draft::{Draft, Signature};

pub(super) fn attacks() -> Vec<Attack> {
    let by_stranger = |name, kid: fn() -> String| {
        attack(name, move |token| {
            token.by_stranger();
            token.header("kid", kid());
        })
        .shut(7_000_272, "TokenUnknownKey")
    };
    let misnamed = |name, kid: fn() -> String| {
        attack(name, move |token| token.header("kid", kid())).shut(7_000_272, "TokenUnknownKey")
    };
    let brought = |name, header: fn(&mut Draft<'_>)| {
        attack(name, move |token| {
            token.by_stranger();
            token.header("kid", Draft::strangers_id());
            header(token);
        })
        .shut(7_000_272, "TokenUnknownKey")
    };
    vec![
        attack("a stranger's key under the issuer's id", |token| {
            token.by_stranger()
        })
        .shut(700_027, "TokenSignature"),
        by_stranger("a stranger's key under its own id", || {
            Draft::strangers_id().to_owned()
        }),
        by_stranger("an id that is a path", || "../../../../dev/null".to_owned()),
        by_stranger("an id that is SQL", || "' UNION SELECT 'key' --".to_owned()),
        by_stranger("an id that is an address", || {
            "https://evil.example/key".to_owned()
        }),
        by_stranger("an id that is very long", || "k".repeat(4096)),
        misnamed("the right signature under an empty id", String::new),
        misnamed("the right signature under an id of blanks", || {
            " ".to_owned()
        }),
        attack(
            "the right signature under the id in other letters",
            |token| {
                let kid = token.header["kid"].as_str().unwrap_or_default();
                let swapped = kid.chars().map(|c| {
                    if c.is_ascii_lowercase() {
                        c.to_ascii_uppercase()
                    } else {
                        c.to_ascii_lowercase()
                    }
                });
                let swapped: String = swapped.collect();
                token.header("kid", swapped);
            },
        )
        .shut(7_000_272, "TokenUnknownKey"),
        attack("the right signature and no id", |token| {
            if let Some(header) = token.header.as_object_mut() {
                header.remove("kid");
            }
        })
        .shut(50_027, "TokenMalformed"),
        attack("an id that is a number", |token| token.header("kid", 1))
            .shut(50_027, "TokenMalformed"),
        attack("two ids", |token| token.header("kid", json!(["a", "b"])))
            .shut(50_027, "TokenMalformed"),
        brought("jku: a set of keys elsewhere", |token| {
            let address = format!("https://{}/keys", token.ear);
            token.header("jku", address);
        }),
        brought("x5u: a certificate elsewhere", |token| {
            let address = format!("https://{}/certificate", token.ear);
            token.header("x5u", address);
        }),
        brought("jwk: the key in the token", |token| {
            token.header("jwk", Draft::strangers_jwk());
        }),
        brought("x5c: a certificate in the token", |token| {
            token.header("x5c", json!(["MIIBszCCARwCCQ"]));
        }),
        attack(
            "jwk: the key in the token, under the issuer's id",
            |token| {
                token.by_stranger();
                token.header("jwk", Draft::strangers_jwk());
            },
        )
        .shut(700_027, "TokenSignature"),
        attack("jku beside the right signature means nothing", |token| {
            let address = format!("https://{}/keys", token.ear);
            token.header("jku", address);
        })
        .open(),
        attack("crit: what must be understood and is not", |token| {
            token.header("crit", json!(["exp"]));
            token.header("exp", 1);
        })
        .shut(50_027, "TokenMalformed"),
        attack("crit: b64 (RFC 7797)", |token| {
            token.header("crit", json!(["b64"]));
            token.header("b64", false);
        })
        .shut(50_027, "TokenMalformed"),
        attack("zip", |token| token.header("zip", "DEF")).shut(50_027, "TokenMalformed"),
        attack("a token in a token", |token| {
            token.header("cty", "JWT");
            token.claims_text = Some(token.good.assertion.clone().into_bytes());
        })
        .shut(50_027, "TokenMalformed"),
        attack("an encrypted token (JWE)", |token| {
            token.header = json!({ "alg": "RSA-OAEP", "enc": "A256GCM" });
            token.signature = Signature::Bytes(vec![7; 16]);
            token.at_last(|text| {
                let (start, tag) = text.rsplit_once('.').unwrap_or_default();
                format!("{start}.aXYtaXYtaXYtaXY.Y2lwaGVy.{tag}")
            });
        })
        .shut(50_027, "TokenMalformed"),
    ]
}
