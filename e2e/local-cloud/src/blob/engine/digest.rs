//! A summary of the account's state without its content, for the tests that
//! show that something has changed nothing.

use aws_lc_rs::digest::{Context, SHA256};
use serde_json::{Value, json};

use super::{Block, BlockBlob, Container, Engine};

impl Engine {
    /// The whole state without content.
    pub(in crate::blob) fn digest(&self) -> Value {
        let blocks = |blocks: &[Block]| {
            let ids: Vec<_> = blocks.iter().map(|b| (&b.id, b.data.len())).collect();
            json!({ "blocks": ids, "sha256": sha256(blocks) })
        };
        let blob = |blob: &BlockBlob| {
            json!({
                "etag": blob.stamp.etag,
                "length": blob.length,
                "metadata": blob.metadata.as_map(),
                "content": blocks(&blob.blocks),
            })
        };
        let container = |container: &Container| {
            let blobs = container.blobs.iter().map(|(n, b)| (n.clone(), blob(b)));
            let staged = container.uncommitted.iter();
            let staged = staged.map(|(n, b)| (n.clone(), blocks(b)));
            json!({
                "etag": container.stamp.etag,
                "metadata": container.metadata.as_map(),
                "blobs": blobs.collect::<serde_json::Map<_, _>>(),
                "uncommitted": staged.collect::<serde_json::Map<_, _>>(),
            })
        };
        self.containers
            .iter()
            .map(|(name, c)| (name.clone(), container(c)))
            .collect::<serde_json::Map<_, _>>()
            .into()
    }
}

fn sha256(blocks: &[Block]) -> String {
    let mut context = Context::new(&SHA256);
    for block in blocks {
        context.update(&block.data);
    }
    let digest = context.finish();
    digest.as_ref().iter().fold(String::new(), |mut hex, byte| {
        use std::fmt::Write as _;
        write!(hex, "{byte:02x}").expect("a string takes any text");
        hex
    })
}
