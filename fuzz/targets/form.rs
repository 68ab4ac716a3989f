//! The reader of token requests: no body makes it panic, and what it has read is
//! read the same when it is written again.

#![no_main]

#[path = "../../e2e/local-cloud/src/entra/form.rs"]
mod form;

use form::{Form, FormError, MAX_PARAMETERS};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|body: &[u8]| {
    let pairs: Vec<_> = url::form_urlencoded::parse(body).into_owned().collect();
    match Form::parse(body) {
        Ok(form) => {
            assert!(pairs.len() <= MAX_PARAMETERS);
            let mut again = url::form_urlencoded::Serializer::new(String::new());
            again.extend_pairs(&pairs);
            let again = Form::parse(again.finish().as_bytes()).expect("it was read before");
            for (name, value) in &pairs {
                assert_eq!(form.get(name), Some(value.as_str()));
                assert_eq!(again.get(name), Some(value.as_str()));
            }
        }
        Err(FormError::TooMany) => assert!(pairs.len() > MAX_PARAMETERS),
        Err(FormError::Repeated(start)) => {
            let same = |name: &&String| name.starts_with(&start);
            assert!(pairs.iter().map(|(name, _)| name).filter(same).count() > 1);
        }
    }
});
