//! What holds for any body, whatever is in it.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_body_makes_the_reader_panic_and_none_has_more_than_so_many(body in any::<Vec<u8>>()) {
        if let Ok(form) = Form::parse(&body) {
            prop_assert!(form.0.len() <= MAX_PARAMETERS);
        }
    }

    #[test]
    fn what_was_written_is_read(
        written in prop::collection::btree_map(any::<String>(), any::<String>(), 0..MAX_PARAMETERS),
    ) {
        let mut body = url::form_urlencoded::Serializer::new(String::new());
        body.extend_pairs(&written);
        let form = Form::parse(body.finish().as_bytes()).expect("it is a form");
        let read: BTreeMap<String, String> = form.0.into_iter().collect();
        prop_assert_eq!(read, written);
    }

    #[test]
    fn a_parameter_that_is_sent_twice_is_named(
        name in "[a-z_]{1,20}", first in any::<String>(), second in any::<String>(),
        between in prop::collection::btree_map("[A-Z]{1,20}", any::<String>(), 0..8),
    ) {
        let mut body = url::form_urlencoded::Serializer::new(String::new());
        body.append_pair(&name, &first);
        body.extend_pairs(&between);
        body.append_pair(&name, &second);
        let read = Form::parse(body.finish().as_bytes());
        prop_assert_eq!(read.err(), Some(FormError::Repeated(name)));
    }
}

#[test]
fn a_form_of_too_many_parameters_is_refused() {
    let of = |count: usize| {
        let pairs: Vec<String> = (0..count).map(|n| format!("p{n}=1")).collect();
        pairs.join("&")
    };
    assert!(Form::parse(of(MAX_PARAMETERS).as_bytes()).is_ok());
    let refused = Form::parse(of(MAX_PARAMETERS + 1).as_bytes());
    assert_eq!(refused.err(), Some(FormError::TooMany));
}
