//! The frames of SASL, of both sides. Follows OASIS AMQP 1.0 part 5, section 5.3.

use serde_amqp::Value;

use super::{full_length, required};
use crate::service_bus::codec::{self, Fields, Malformed, described};

/// The fields of a SASL frame that has to be this one.
fn parse_sasl(body: &[u8], code: u64, name: &str) -> Result<Fields, Malformed> {
    let (value, _) = codec::decode(body)?;
    match codec::open_described(value)? {
        (found, fields) if found == code => Fields::new(fields),
        _ => Err(Malformed::new(format!("{name} is expected"))),
    }
}

/// The mechanism in a SASL init frame.
pub(in crate::service_bus) fn parse_sasl_init(body: &[u8]) -> Result<String, Malformed> {
    let mut fields = parse_sasl(body, 0x41, "sasl-init")?;
    required(fields.text(0, "mechanism")?, "mechanism")
}

/// Whether the mechanism is among those of a SASL mechanisms frame; a single one
/// may come without an array around it.
pub(in crate::service_bus) fn offers_mechanism(
    body: &[u8],
    mechanism: &str,
) -> Result<bool, Malformed> {
    let offered = match parse_sasl(body, 0x40, "sasl-mechanisms")?.take(0) {
        Value::Array(offered) => offered.0,
        one => vec![one],
    };
    Ok(offered
        .iter()
        .any(|offered| codec::text(offered) == Some(mechanism)))
}

/// The code of a SASL outcome frame; 0: authenticated.
pub(in crate::service_bus) fn parse_sasl_outcome(body: &[u8]) -> Result<u8, Malformed> {
    let mut fields = parse_sasl(body, 0x44, "sasl-outcome")?;
    required(fields.u8(0, "code")?, "code")
}

/// A client's choice of a mechanism that has nothing more to say.
pub(in crate::service_bus) fn sasl_init(mechanism: &str) -> Value {
    full_length(0x41, 3, [codec::symbol(mechanism)])
}

pub(in crate::service_bus) fn sasl_mechanisms(mechanism: &str) -> Value {
    let mechanisms = vec![codec::symbol(mechanism)];
    described(0x40, Value::List(vec![Value::Array(mechanisms.into())]))
}

/// `code` 0: authenticated; 1: refused.
pub(in crate::service_bus) fn sasl_outcome(code: u8) -> Value {
    described(0x44, Value::List(vec![Value::Ubyte(code), Value::Null]))
}
