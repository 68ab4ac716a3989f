//! The cookie of a session, in and out.

use cookie::{Cookie, SameSite};
use http::{HeaderMap, HeaderValue, header};

use super::LIFETIME;

/// The form of the cookie.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Cookies {
    name: &'static str,
    secure: bool,
}

impl Cookies {
    /// Cookies for https only, bound to this very host, where browsers come by
    /// https.
    pub(crate) fn new(is_https: bool) -> Self {
        Self {
            name: if is_https {
                "__Host-todolist-session"
            } else {
                "todolist-session"
            },
            secure: is_https,
        }
    }

    /// The value of the cookie that a request carries. One that is there twice is
    /// not ours: somebody else set the other.
    pub(super) fn find(&self, headers: &HeaderMap) -> Option<String> {
        let mut found = headers
            .get_all(header::COOKIE)
            .into_iter()
            .filter_map(|value| value.to_str().ok())
            .flat_map(Cookie::split_parse)
            .filter_map(Result::ok)
            .filter(|cookie| cookie.name() == self.name);
        match (found.next(), found.next()) {
            (Some(cookie), None) => Some(cookie.value().to_owned()),
            _ => None,
        }
    }

    /// The header that sets it. No page's script can read it, and no other
    /// site's form sends it.
    pub(super) fn set(&self, value: String) -> HeaderValue {
        let cookie = Cookie::build((self.name, value))
            .path("/")
            .http_only(true)
            .secure(self.secure)
            .same_site(SameSite::Lax)
            .max_age(LIFETIME);
        HeaderValue::from_str(&cookie.to_string()).expect("a signed token is ASCII")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(values: &[&'static str]) -> HeaderMap {
        let values = values.iter().copied();
        values
            .map(|value| (header::COOKIE, HeaderValue::from_static(value)))
            .collect()
    }

    #[test]
    fn the_cookie_is_bound_to_its_host_where_there_is_https() {
        assert_eq!(
            Cookies::new(true).set("a.b.c".to_owned()),
            "__Host-todolist-session=a.b.c; HttpOnly; SameSite=Lax; Secure; Path=/; Max-Age=43200"
        );
        assert_eq!(
            Cookies::new(false).set("a.b.c".to_owned()),
            "todolist-session=a.b.c; HttpOnly; SameSite=Lax; Path=/; Max-Age=43200"
        );
    }

    #[test]
    fn a_cookie_is_found_among_others_and_one_that_is_there_twice_is_not_ours() {
        let cookies = Cookies::new(false);

        for (values, found) in [
            (&["todolist-session=a"] as &[&str], Some("a")),
            (&["x=1; todolist-session=a; y=2"], Some("a")),
            (&["x=1", "todolist-session=a"], Some("a")),
            (&["todolist-session=a; todolist-session=b"], None),
            (&["todolist-session=a", "todolist-session=b"], None),
            (&["Todolist-session=a"], None),
            (&["__Host-todolist-session=a"], None),
            (&["nonsense"], None),
            (&[], None),
        ] {
            let headers = headers(values);
            assert_eq!(cookies.find(&headers).as_deref(), found, "{values:?}");
        }
    }
}
