//! The range of bytes that a read asks for (Microsoft Learn, *Specifying the
//! range header for Blob service operations*).

use bytes::Bytes;
use http::HeaderMap;
use http::header::RANGE;

use super::engine::Block;
use super::malformed::Malformed;
use super::refusal::Refusal;

/// A range as requested; `to` is inclusive.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Requested {
    from: u64,
    to: Option<u64>,
}

/// A range of existing bytes; not empty, `to` is inclusive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Range {
    pub(super) from: u64,
    pub(super) to: u64,
}

impl Requested {
    /// Reads `x-ms-range`, or else `Range`. Several ranges and suffixes are not
    /// ranges that the service knows.
    pub(super) fn of(headers: &HeaderMap) -> Result<Option<Self>, Malformed> {
        let header = headers.get("x-ms-range").or_else(|| headers.get(RANGE));
        let Some(header) = header else {
            return Ok(None);
        };
        let parsed = header.to_str().ok().and_then(Self::parse);
        // That the service refuses them like this: assumed.
        parsed
            .map(Some)
            .ok_or_else(|| Malformed::InvalidHeader("Range".to_owned()))
    }

    fn parse(text: &str) -> Option<Self> {
        let (from, to) = text.trim().strip_prefix("bytes=")?.split_once('-')?;
        let to = match to {
            "" => None,
            to => Some(to.parse().ok()?),
        };
        let from = from.parse().ok()?;
        to.is_none_or(|to| from <= to).then_some(Self { from, to })
    }

    /// The part of it that exists in a blob of this length, or the refusal of a
    /// range that starts behind the end.
    pub(super) fn within(&self, length: u64) -> Result<Range, Refusal> {
        if self.from >= length {
            return Err(Refusal::InvalidRange { length });
        }
        let to = self.to.map_or(length - 1, |to| to.min(length - 1));
        Ok(Range {
            from: self.from,
            to,
        })
    }
}

/// The bytes of a range, without copying.
pub(super) fn cut(blocks: &[Block], range: Range) -> Vec<Bytes> {
    let mut start = 0;
    let mut pieces = Vec::new();
    for block in blocks {
        let end = start + block.data.len() as u64;
        let (from, to) = (range.from.max(start), (range.to + 1).min(end));
        if from < to {
            // Both lie inside the block, whose length is a `usize`.
            let inside = |at: u64| usize::try_from(at - start).unwrap_or(usize::MAX);
            pieces.push(block.data.slice(inside(from)..inside(to)));
        }
        start = end;
    }
    pieces
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_read_and_cut_to_the_length() {
        for (text, expected) in [
            ("bytes=0-4194303", Some((0, 9))),
            ("bytes=3-4", Some((3, 4))),
            ("bytes=9-", Some((9, 9))),
            ("bytes=4-3", None),
            ("bytes=-3", None),
            ("bytes=0-1,3-4", None),
            ("0-1", None),
        ] {
            let range = Requested::parse(text)
                .map(|requested| requested.within(10).expect("it starts inside"));
            assert_eq!(
                range.map(|range| (range.from, range.to)),
                expected,
                "{text}"
            );
        }
    }

    #[test]
    fn a_range_runs_across_blocks() {
        let block = |text: &'static str| Block {
            id: None,
            data: Bytes::from_static(text.as_bytes()),
        };
        let blocks = [block("abc"), block(""), block("def"), block("ghi")];
        for (from, to, expected) in [
            (0, 8, "abcdefghi"),
            (2, 3, "cd"),
            (3, 5, "def"),
            (8, 8, "i"),
        ] {
            assert_eq!(
                cut(&blocks, Range { from, to }).concat(),
                expected.as_bytes()
            );
        }
    }
}
