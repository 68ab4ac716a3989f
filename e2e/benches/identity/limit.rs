//! What no token endpoint can be faster than: one RSA-2048 signature made and one
//! verified, with the crypto library that the local cloud uses, its keys ready.

use std::time::Duration;

use anyhow::{Result, anyhow};
use aws_lc_rs::encoding::{AsDer as _, PublicKeyX509Der};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::{KeyPair, KeySize};
use aws_lc_rs::signature::{
    KeyPair as _, ParsedPublicKey, RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_SHA256,
};

use crate::time::Stopwatch;

/// About as long as header and claims of a service-account token.
const MESSAGE: [u8; 900] = [b'a'; 900];

pub(crate) struct Limit {
    pair: KeyPair,
    public: ParsedPublicKey,
    signature: Vec<u8>,
}

impl Limit {
    pub(crate) fn new() -> Result<Self> {
        let failed = |_| anyhow!("the crypto library does not work");
        let pair = KeyPair::generate(KeySize::Rsa2048).map_err(failed)?;
        let der: PublicKeyX509Der<'_> = pair.public_key().as_der().map_err(failed)?;
        let public = ParsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, der.as_ref())
            .map_err(|error| anyhow!("the public key: {error}"))?;
        let signature = vec![0; pair.public_modulus_len()];
        Ok(Self {
            pair,
            public,
            signature,
        })
    }

    /// Signs and verifies for a while; how often in a second.
    pub(crate) fn per_second(&mut self, time: Duration) -> Result<f64> {
        let failed = |_| anyhow!("the crypto library does not work");
        let random = SystemRandom::new();
        let begin = Stopwatch::start();
        let mut done = 0_u32;
        while begin.elapsed() < time {
            self.pair
                .sign(&RSA_PKCS1_SHA256, &random, &MESSAGE, &mut self.signature)
                .map_err(failed)?;
            self.public
                .verify_sig(&MESSAGE, &self.signature)
                .map_err(failed)?;
            done += 1;
        }
        Ok(f64::from(done) / begin.elapsed().as_secs_f64())
    }
}
