//! AMQP 1.0 values: bytes to [`Value`] and back.
//!
//! `serde_amqp` decodes. Before it sees anything, [`extent`] walks the bytes and
//! refuses what lies about its length, nests too deeply or promises more
//! elements than it carries, so that no client can make the decoder allocate
//! or recurse without bound. Follows OASIS AMQP 1.0 part 1, section 1.2.

use serde_amqp::{
    Value,
    described::Described,
    descriptor::Descriptor,
    primitives::{OrderedMap, Symbol, Timestamp},
};
use time::OffsetDateTime;

/// Deeper nesting than any performative or message section of Service Bus has.
const MAX_DEPTH: usize = 24;

/// The largest number of elements of one list, map or array.
const MAX_ELEMENTS: usize = 65_536;

/// What the peer sent is not AMQP; the text says what is wrong with it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub(super) struct Malformed(pub(super) String);

impl Malformed {
    pub(super) fn new(what: impl Into<String>) -> Self {
        Self(what.into())
    }
}

/// The first value in `bytes` and what follows it.
pub(super) fn decode(bytes: &[u8]) -> Result<(Value, &[u8]), Malformed> {
    let (value, rest) = bytes
        .split_at_checked(extent(bytes)?)
        .ok_or_else(truncated)?;
    let value = serde_amqp::from_slice(value)
        .map_err(|error| Malformed::new(format!("a value cannot be decoded: {error}")))?;
    Ok((value, rest))
}

/// The encoding of `value`.
pub(super) fn encode(value: &Value) -> Vec<u8> {
    // The only failures of the encoder are described types in arrays and
    // lengths past u32, and nothing here builds either.
    serde_amqp::to_vec(value).expect("values built by the broker can be encoded")
}

/// How many bytes the first value in `bytes` takes.
pub(super) fn extent(bytes: &[u8]) -> Result<usize, Malformed> {
    let rest = skip_value(bytes, 0)?;
    Ok(bytes.len() - rest.len())
}

/// A described list or map, as performatives and sections are.
pub(super) fn described(code: u64, value: Value) -> Value {
    Value::Described(Box::new(Described {
        descriptor: Descriptor::Code(code),
        value,
    }))
}

/// Descriptor and content of a described value. No client that was tried writes
/// symbolic descriptors (`amqp:accepted:list`), so they are refused.
pub(super) fn open_described(value: Value) -> Result<(u64, Value), Malformed> {
    let Value::Described(described) = value else {
        return Err(Malformed::new("a described value is expected"));
    };
    match described.descriptor {
        Descriptor::Code(code) => Ok((code, described.value)),
        Descriptor::Name(name) => Err(Malformed::new(format!(
            "the symbolic descriptor {} is not known",
            name.as_str()
        ))),
    }
}

/// The elements of a list, of which trailing ones may be left out.
#[derive(Debug, Default)]
pub(super) struct Fields(Vec<Value>);

impl Fields {
    pub(super) fn new(value: Value) -> Result<Self, Malformed> {
        match value {
            Value::List(fields) => Ok(Self(fields)),
            other => Err(Malformed::new(format!(
                "a list is expected, not format code {:#04x}",
                other.format_code()
            ))),
        }
    }

    /// The field at `index`; null when it was left out. It can be taken once.
    pub(super) fn take(&mut self, index: usize) -> Value {
        self.0.get_mut(index).map_or(Value::Null, std::mem::take)
    }

    pub(super) fn u32(&mut self, index: usize, name: &str) -> Result<Option<u32>, Malformed> {
        match self.take(index) {
            Value::Null => Ok(None),
            Value::Uint(number) => Ok(Some(number)),
            _ => Err(wrong_type(name, "uint")),
        }
    }

    pub(super) fn u16(&mut self, index: usize, name: &str) -> Result<Option<u16>, Malformed> {
        match self.take(index) {
            Value::Null => Ok(None),
            Value::Ushort(number) => Ok(Some(number)),
            _ => Err(wrong_type(name, "ushort")),
        }
    }

    pub(super) fn u8(&mut self, index: usize, name: &str) -> Result<Option<u8>, Malformed> {
        match self.take(index) {
            Value::Null => Ok(None),
            Value::Ubyte(number) => Ok(Some(number)),
            _ => Err(wrong_type(name, "ubyte")),
        }
    }

    /// False when it was left out, which is AMQP's default for every flag here.
    pub(super) fn flag(&mut self, index: usize, name: &str) -> Result<bool, Malformed> {
        match self.take(index) {
            Value::Null => Ok(false),
            Value::Bool(flag) => Ok(flag),
            _ => Err(wrong_type(name, "boolean")),
        }
    }

    pub(super) fn text(&mut self, index: usize, name: &str) -> Result<Option<String>, Malformed> {
        match self.take(index) {
            Value::Null => Ok(None),
            other => text(&other)
                .map(|text| Some(text.to_owned()))
                .ok_or_else(|| wrong_type(name, "string")),
        }
    }
}

/// `value` as text: clients use strings and symbols interchangeably.
pub(super) fn text(value: &Value) -> Option<&str> {
    match value {
        Value::String(text) => Some(text),
        Value::Symbol(symbol) => Some(symbol.as_str()),
        _ => None,
    }
}

/// The entry of `map` under `key`, whether the key is a string or a symbol.
pub(super) fn entry<'map>(map: &'map OrderedMap<Value, Value>, key: &str) -> Option<&'map Value> {
    map.iter()
        .find(|(name, _)| text(name) == Some(key))
        .map(|(_, value)| value)
}

pub(super) fn symbol(name: &str) -> Value {
    Value::Symbol(Symbol::from(name))
}

/// An AMQP timestamp: milliseconds since the Unix epoch, the rest cut off.
pub(super) fn timestamp(at: OffsetDateTime) -> Value {
    let milliseconds = at.unix_timestamp_nanos().div_euclid(1_000_000);
    Value::Timestamp(Timestamp::from_milliseconds(
        i64::try_from(milliseconds).unwrap_or(i64::MAX),
    ))
}

fn wrong_type(name: &str, wanted: &str) -> Malformed {
    Malformed::new(format!("field {name} is not of type {wanted}"))
}

fn truncated() -> Malformed {
    Malformed::new("the data ends inside a value")
}

fn skip_value(bytes: &[u8], depth: usize) -> Result<&[u8], Malformed> {
    if depth > MAX_DEPTH {
        return Err(Malformed::new("values are nested too deeply"));
    }
    let (&code, rest) = bytes.split_first().ok_or_else(truncated)?;
    if code == 0x00 {
        let rest = skip_value(rest, depth + 1)?;
        return skip_value(rest, depth + 1);
    }
    skip_content(code, rest, depth)
}

/// What follows the content of a value whose format code was already read.
/// The upper half of the code says how the content is laid out.
fn skip_content(code: u8, bytes: &[u8], depth: usize) -> Result<&[u8], Malformed> {
    match code >> 4 {
        0x4 => Ok(bytes),
        0x5 => skip(bytes, 1),
        0x6 => skip(bytes, 2),
        0x7 => skip(bytes, 4),
        0x8 => skip(bytes, 8),
        0x9 => skip(bytes, 16),
        0xA | 0xB => {
            let (size, rest) = length(code, bytes)?;
            skip(rest, size)
        }
        0xC | 0xD => {
            let (content, rest) = body(code, bytes)?;
            let (count, mut content) = length(code, content)?;
            check_count(count, content.len())?;
            for _ in 0..count {
                content = skip_value(content, depth + 1)?;
            }
            whole(content, rest)
        }
        0xE | 0xF => {
            let (content, rest) = body(code, bytes)?;
            let (count, content) = length(code, content)?;
            let (&element, mut content) = content.split_first().ok_or_else(truncated)?;
            // Elements without width would let a few bytes stand for any number.
            check_count(count, content.len())?;
            for _ in 0..count {
                content = skip_content(element, content, depth + 1)?;
            }
            whole(content, rest)
        }
        _ => Err(Malformed::new(format!("unknown format code {code:#04x}"))),
    }
}

fn skip(bytes: &[u8], count: usize) -> Result<&[u8], Malformed> {
    bytes.get(count..).ok_or_else(truncated)
}

/// A length or count, one byte wide for even upper halves (0xA, 0xC, 0xE), four
/// bytes for odd ones.
fn length(code: u8, bytes: &[u8]) -> Result<(usize, &[u8]), Malformed> {
    if (code >> 4).is_multiple_of(2) {
        let (&length, rest) = bytes.split_first().ok_or_else(truncated)?;
        return Ok((usize::from(length), rest));
    }
    let (length, rest) = bytes.split_first_chunk::<4>().ok_or_else(truncated)?;
    let length = usize::try_from(u32::from_be_bytes(*length)).map_err(|_| truncated())?;
    Ok((length, rest))
}

fn body(code: u8, bytes: &[u8]) -> Result<(&[u8], &[u8]), Malformed> {
    let (size, rest) = length(code, bytes)?;
    rest.split_at_checked(size).ok_or_else(truncated)
}

fn check_count(count: usize, available: usize) -> Result<(), Malformed> {
    if count > available || count > MAX_ELEMENTS {
        return Err(Malformed::new(format!("{count} elements are too many")));
    }
    Ok(())
}

fn whole<'bytes>(left: &[u8], rest: &'bytes [u8]) -> Result<&'bytes [u8], Malformed> {
    if left.is_empty() {
        Ok(rest)
    } else {
        Err(Malformed::new(
            "a compound value is longer than its elements",
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_amqp::primitives::Array;

    #[test]
    fn a_value_is_read_back_as_it_was_written() {
        let value = described(
            0x10,
            Value::List(vec![
                Value::String("x".repeat(300)),
                Value::Null,
                Value::Array(Array(vec![Value::Uuid([7; 16].into()); 2])),
                Value::Map(OrderedMap::from_iter([(symbol("a"), Value::Uint(70_000))])),
            ]),
        );
        let mut bytes = encode(&value);
        bytes.extend_from_slice(b"rest");

        assert_eq!(decode(&bytes), Ok((value, b"rest".as_slice())));
    }

    #[test]
    fn trailing_nulls_are_written() {
        let bytes = encode(&described(0x10, Value::List(vec![Value::Null; 10])));

        assert_eq!(
            bytes.get(..6),
            Some([0x00, 0x53, 0x10, 0xc0, 11, 10].as_slice())
        );
    }

    #[test]
    fn what_lies_about_itself_is_refused() {
        let nested = [0xc0, 255, 1].repeat(40);
        for (bytes, message) in [
            (vec![], "the data ends inside a value"),
            (
                vec![0xb0, 0xff, 0xff, 0xff, 0xff],
                "the data ends inside a value",
            ),
            (
                vec![0xd0, 0, 0, 0, 4, 0xff, 0xff, 0xff, 0xff],
                "4294967295 elements are too many",
            ),
            (
                vec![0xf0, 0, 0, 0, 5, 0x7f, 0xff, 0xff, 0xff, 0x40],
                "2147483647 elements are too many",
            ),
            (
                vec![0xc0, 3, 1, 0x40, 0x40],
                "a compound value is longer than its elements",
            ),
            (vec![0x31], "unknown format code 0x31"),
            (vec![0x00; 100], "values are nested too deeply"),
            (nested, "the data ends inside a value"),
        ] {
            assert_eq!(decode(&bytes), Err(Malformed::new(message)), "{bytes:02x?}");
        }
    }
}
