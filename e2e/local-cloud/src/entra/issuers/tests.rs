use super::*;

fn issuers() -> Issuers {
    let played = reqwest::Client::new();
    Issuers::new(played, ["played.test".to_owned()])
}

fn external(issuer: &str) -> ExternalIssuer {
    ExternalIssuer {
        issuer: issuer.to_owned(),
        ca: None,
        address: None,
    }
}

#[test]
fn an_issuer_is_an_https_url_that_is_not_loopback() {
    for lawful in [
        "https://issuer.example",
        "https://issuer.example/path/",
        "https://issuer.example:8443/",
        "https://localhost.example/",
    ] {
        assert!(is_lawful(lawful), "{lawful}");
    }
    for unlawful in [
        "http://issuer.example/",
        "https://localhost/",
        "https://LOCALHOST./",
        "https://a.localhost:8443/",
        "https://127.0.0.1/",
        "https://127.1/",
        "https://2130706433/",
        "https://[::1]/",
        "https://[::ffff:127.0.0.1]/",
        "https://issuer.example/?tenant=1",
        "https://issuer.example/?",
        "https://issuer.example/#keys",
        "ftp://issuer.example/",
        "issuer.example",
        "",
    ] {
        assert!(!is_lawful(unlawful), "{unlawful}");
    }
}

#[test]
fn a_document_is_asked_for_under_an_https_name_alone() {
    let route = issuers().route("https://issuer.example/").expect("a route");
    assert!(route.get("https://issuer.example/keys").is_some());
    for refused in [
        "http://issuer.example/keys",
        "https://10.0.0.1/keys",
        "https://169.254.169.254/metadata/identity",
        "https://[fd00::1]/keys",
        "https://8.8.8.8/keys",
        "https://localhost/keys",
        "https://me@issuer.example/keys",
        "file:///etc/passwd",
        "keys",
    ] {
        assert!(route.get(refused).is_none(), "{refused}");
    }
}

#[test]
fn of_all_addresses_only_the_declared_one_may_stand_in_a_url() {
    let issuers = issuers();
    let address = "127.0.0.1:6443".parse().expect("an address");
    let declared = ExternalIssuer {
        address: Some(address),
        ..external("https://kubernetes.default.svc.cluster.local")
    };
    issuers.declare(declared.clone()).expect("it makes sense");
    assert_eq!(issuers.declared(), std::slice::from_ref(&declared));

    let route = issuers.route(&declared.issuer).expect("a route");
    assert!(route.get("https://127.0.0.1:6443/openid/v1/jwks").is_some());
    assert!(route.get("https://127.0.0.1:2379/openid/v1/jwks").is_none());
    assert!(route.get("https://10.0.0.1:6443/openid/v1/jwks").is_none());

    assert!(issuers.withdraw(&declared.issuer));
    let route = issuers.route(&declared.issuer).expect("a route");
    assert!(route.get("https://127.0.0.1:6443/openid/v1/jwks").is_none());
}

#[test]
fn a_declaration_that_makes_no_sense_is_refused() {
    let issuers = issuers();
    let refused = |external: ExternalIssuer| issuers.declare(external).expect_err("no sense");
    assert_eq!(
        refused(external("https://played.test/")),
        "`played.test` is played by the local cloud itself"
    );
    let loopback = "https://127.0.0.1:6443";
    assert_eq!(
        refused(external(loopback)),
        "`https://127.0.0.1:6443` is no https URL of a host other than loopback, without query and fragment"
    );
    let other_port = ExternalIssuer {
        address: Some("127.0.0.1:1".parse().expect("an address")),
        ..external("https://issuer.example:2/")
    };
    assert_eq!(
        refused(other_port),
        "the address has port 1, but the issuer's URL says 2"
    );
    let no_certificate = ExternalIssuer {
        ca: Some("no certificate".to_owned()),
        ..external("https://issuer.example/")
    };
    assert_eq!(
        refused(no_certificate),
        "the CA's file has no certificate in it"
    );
    assert!(issuers.declared().is_empty());
}

#[test]
fn it_is_written_in_one_argument() {
    let file = tempfile::NamedTempFile::new().expect("a file");
    std::fs::write(file.path(), "PEM").expect("written");
    let text = format!(
        "https://issuer.example/a,ca={},address=[::1]:6443",
        file.path().display()
    );
    let read: ExternalIssuer = text.parse().expect("it makes sense");
    assert_eq!(
        read,
        ExternalIssuer {
            ca: Some("PEM".to_owned()),
            address: Some("[::1]:6443".parse().expect("an address")),
            ..external("https://issuer.example/a")
        }
    );
    for (text, why) in [
        (
            "https://issuer.example,x",
            "`x` is neither ca=FILE nor address=IP:PORT",
        ),
        (
            "https://issuer.example,address=issuer",
            "`issuer` is no IP address with a port",
        ),
    ] {
        assert_eq!(text.parse::<ExternalIssuer>().expect_err(text), why);
    }
}

#[tokio::test]
async fn an_issuer_that_nobody_declared_is_asked_on_the_public_internet_alone() {
    let client = issuers().public_client().expect("a client");

    let refused = client.get("https://localhost:1/keys").send().await;

    let refused = refused.expect_err("it is loopback");
    let causes = std::iter::successors(Some(&refused as &dyn std::error::Error), |e| e.source());
    let causes: Vec<String> = causes.map(ToString::to_string).collect();
    let why = "which is not on the public internet";
    assert!(causes.iter().any(|cause| cause.contains(why)), "{causes:?}");
}
