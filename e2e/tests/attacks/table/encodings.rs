//! There is one way to write a token, and its signature is over what was received
//! (RFC 7515, 2 and 5.2; RFC 8725, 3.7).

use serde_json::json;

use super::{Attack, attack};
use crate::draft::Signature;

pub(super) fn attacks() -> Vec<Attack> {
    let rewritten = |name, change: fn(&str) -> String| {
        attack(name, move |token| token.at_last(change)).shut(50_027, "TokenMalformed")
    };
    vec![
        attack("the signature stripped", |token| {
            token.signature = Signature::Bytes(Vec::new());
        })
        .shut(700_027, "TokenSignature"),
        rewritten("the signature and its dot stripped", |text| {
            text.rsplit_once('.').unwrap_or_default().0.to_owned()
        }),
        attack("the claims edited under the old signature", |token| {
            token.claim("jti", "another");
            token.signature = Signature::Kept;
        })
        .shut(700_027, "TokenSignature"),
        attack("the header edited under the old signature", |token| {
            token.header("typ", "another");
            token.signature = Signature::Kept;
        })
        .shut(700_027, "TokenSignature"),
        attack("a signature of noughts", |token| {
            token.signature = Signature::Bytes(vec![0; 256]);
        })
        .shut(700_027, "TokenSignature"),
        attack("a signature that is one byte longer", |token| {
            token.signature = Signature::Bytes(vec![1; 257]);
        })
        .shut(700_027, "TokenSignature"),
        rewritten("the last bits of the signature changed", |text| {
            // The last of 342 letters has four bits that stand for nothing.
            let (rest, last) = text.split_at(text.len() - 1);
            let letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
            let place = letters.find(last).unwrap_or_default();
            format!("{rest}{}", &letters[place + 1..place + 2])
        }),
        rewritten("padding after the signature", |text| format!("{text}==")),
        rewritten("padding after the header", |text| {
            text.replacen('.', "=.", 1)
        }),
        rewritten("the standard alphabet", |text| {
            let text = text.replace('-', "+").replace('_', "/");
            // So that there is a letter which only that alphabet has.
            format!("{}+{}", &text[..text.len() - 2], &text[text.len() - 1..])
        }),
        rewritten("a blank in the middle", |text| text.replacen('.', " .", 1)),
        rewritten("a tab in the signature", |text| {
            let (rest, last) = text.split_at(text.len() - 4);
            format!("{rest}\t{last}")
        }),
        rewritten("a part more", |text| format!("{text}.e30")),
        rewritten("a dot more", |text| format!("{text}.")),
        rewritten("an empty header", |text| {
            let (_, rest) = text.split_once('.').unwrap_or_default();
            format!(".{rest}")
        }),
        attack("claims that are no UTF-8", |token| {
            let mut claims = token.claims.to_string().into_bytes();
            claims.truncate(claims.len() - 1);
            claims.extend_from_slice(b",\"x\":\"\xff\xfe\"}");
            token.claims_text = Some(claims);
        })
        .shut(50_027, "TokenMalformed"),
        attack("claims in UTF-16", |token| {
            let claims = token.claims.to_string();
            let units = claims.encode_utf16().flat_map(u16::to_be_bytes);
            token.claims_text = Some(units.collect());
        })
        .shut(50_027, "TokenMalformed"),
        attack("claims after a byte-order mark", |token| {
            let claims = format!("\u{feff}{}", token.claims);
            token.claims_text = Some(claims.into_bytes());
        })
        .shut(50_027, "TokenMalformed"),
        attack("something after the claims", |token| {
            let claims = format!("{}{{}}", token.claims);
            token.claims_text = Some(claims.into_bytes());
        })
        .shut(50_027, "TokenMalformed"),
        attack("claims that are a list", |token| {
            token.claims_text = Some(format!("[{}]", token.claims).into_bytes());
        })
        .shut(50_027, "TokenMalformed"),
        attack("claims that are very deep", |token| {
            let deep = format!("{}{}", "[".repeat(3000), "]".repeat(3000));
            token.claim_text("deep", &deep);
        })
        .shut(50_027, "TokenMalformed"),
        attack("a token of more than 16 KiB", |token| {
            token.claim("filler", json!("a".repeat(13_000)));
        })
        .shut(50_027, "TokenMalformed")
        // HTTP bounds its headers too.
        .unread_in_a_header("TokenMalformed"),
        rewritten("what is no token", |_| "nonsense".to_owned()),
        rewritten("nothing but dots", |_| "..".to_owned()),
    ]
}
