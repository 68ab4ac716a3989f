//! The private certificate authority of one run, and the certificate of its
//! listeners.
//!
//! The CA's key lives in memory while the one leaf is made and is dropped then.
//! The CA may vouch for the names that the local cloud plays and for loopback,
//! for nothing else (RFC 5280, section 4.2.1.10), and for a few days only. It is
//! never installed anywhere: a client trusts it through `SSL_CERT_FILE`.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

use rcgen::{
    BasicConstraints, CertificateParams, CidrSubnet, DistinguishedName, DnType,
    ExtendedKeyUsagePurpose, GeneralSubtree, IsCa, Issuer, KeyPair, KeyUsagePurpose,
    NameConstraints,
};
use rustls::ServerConfig;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use time::{Duration, OffsetDateTime};

/// How long the CA and its leaf are valid; a run is over long before.
const VALID_FOR: Duration = Duration::days(7);

/// A listener's TLS, and what its clients have to trust.
pub(crate) struct Tls {
    pub(crate) server: Arc<ServerConfig>,
    pub(crate) ca_pem: String,
}

/// Makes a CA and one certificate for these host names and loopback.
pub(crate) fn issue(hosts: &[String]) -> Result<Tls, rcgen::Error> {
    let from = OffsetDateTime::now_utc() - Duration::hours(1);
    let ca_key = KeyPair::generate()?;
    let ca = ca_params(hosts, from);
    let ca_certificate = ca.self_signed(&ca_key)?;
    let issuer = Issuer::new(ca, ca_key);

    let leaf_key = KeyPair::generate()?;
    let leaf = leaf_params(hosts, from)?.signed_by(&leaf_key, &issuer)?;

    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(leaf_key.serialize_der()));
    let mut server = ServerConfig::builder_with_provider(Arc::new(
        rustls::crypto::aws_lc_rs::default_provider(),
    ))
    .with_safe_default_protocol_versions()
    .expect("the provider speaks TLS 1.2 and 1.3")
    .with_no_client_auth()
    .with_single_cert(vec![leaf.der().clone()], key)
    .expect("the key belongs to the certificate");
    // The Cosmos client offers h2 only; AMQP clients offer nothing.
    server.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(Tls {
        server: Arc::new(server),
        ca_pem: ca_certificate.pem(),
    })
}

fn ca_params(hosts: &[String], from: OffsetDateTime) -> CertificateParams {
    let mut ca = CertificateParams::default();
    ca.distinguished_name = name("local cloud, not Azure");
    ca.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    ca.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    (ca.not_before, ca.not_after) = (from, from + VALID_FOR);
    let names = hosts.iter().map(String::as_str).chain(["localhost"]);
    let loopback = [
        CidrSubnet::from_v4_prefix([127, 0, 0, 0], 8),
        CidrSubnet::from_v6_prefix(Ipv6Addr::LOCALHOST.octets(), 128),
    ];
    ca.name_constraints = Some(NameConstraints {
        permitted_subtrees: names
            .map(|name| GeneralSubtree::DnsName(name.to_owned()))
            .chain(loopback.map(GeneralSubtree::IpAddress))
            .collect(),
        excluded_subtrees: Vec::new(),
    });
    ca
}

fn leaf_params(hosts: &[String], from: OffsetDateTime) -> Result<CertificateParams, rcgen::Error> {
    let names: Vec<String> = hosts
        .iter()
        .cloned()
        .chain(["localhost".to_owned()])
        .collect();
    let mut leaf = CertificateParams::new(names)?;
    leaf.distinguished_name = name("local cloud listener");
    leaf.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    (leaf.not_before, leaf.not_after) = (from, from + VALID_FOR);
    leaf.subject_alt_names.extend(
        [
            IpAddr::V4(Ipv4Addr::LOCALHOST),
            IpAddr::V6(Ipv6Addr::LOCALHOST),
        ]
        .map(rcgen::SanType::IpAddress),
    );
    Ok(leaf)
}

fn name(common: &str) -> DistinguishedName {
    let mut name = DistinguishedName::new();
    name.push(DnType::CommonName, common);
    name
}
