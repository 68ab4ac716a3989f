//! The account's state: containers, block blobs, uncommitted blocks. It knows
//! no HTTP and no clock, and takes the container's name from what the gate
//! admitted, so that a caller admitted to one container cannot reach another.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use time::OffsetDateTime;

use super::conditions::Conditions;
use super::properties::{ContentHeaders, Metadata};
use crate::gate::Admitted;

mod digest;
mod pages;

pub(super) use pages::{Entry, Page, Select};

/// For how long the name of a deleted container cannot be used again
/// (documented, *Delete Container*: at least 30 seconds).
const BEING_DELETED: Duration = Duration::from_secs(30);

/// Ticks of 100 ns from year 1 to 1970: Azure makes an `ETag` of the time in ticks.
const TICKS_TO_1970: i128 = 621_355_968_000_000_000;

/// All containers of an account.
#[derive(Debug, Default)]
pub(super) struct Engine {
    containers: BTreeMap<String, Container>,
    /// Names that are free again only at the given time.
    being_deleted: BTreeMap<String, OffsetDateTime>,
    last_tick: i128,
}

/// When something was last changed, and the `ETag` of that change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Stamp {
    /// Unique in the account; without quotation marks.
    pub(super) etag: String,
    /// Whole seconds, as HTTP dates carry them.
    pub(super) last_modified: OffsetDateTime,
}

/// A container.
#[derive(Clone, Debug)]
pub(super) struct Container {
    pub(super) stamp: Stamp,
    pub(super) metadata: Metadata,
    blobs: BTreeMap<String, BlockBlob>,
    /// By blob name, then in order of arrival.
    uncommitted: BTreeMap<String, Vec<Block>>,
}

/// A committed blob; its content is shared between clones.
#[derive(Clone, Debug)]
pub(super) struct BlockBlob {
    pub(super) stamp: Stamp,
    pub(super) created: OffsetDateTime,
    pub(super) headers: ContentHeaders,
    pub(super) metadata: Metadata,
    pub(super) length: u64,
    /// In order. A blob that was put in one piece has one block without id.
    pub(super) blocks: Arc<[Block]>,
}

/// A piece of a blob.
#[derive(Clone, Debug)]
pub(super) struct Block {
    /// As sent, base64.
    pub(super) id: Option<String>,
    pub(super) data: Bytes,
}

/// Where a committed block is to be taken from.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum BlockSource {
    Committed(String),
    Uncommitted(String),
    /// Uncommitted, or else committed.
    Latest(String),
}

/// What accompanies a blob's content.
#[derive(Debug, Default)]
pub(super) struct Upload {
    pub(super) headers: ContentHeaders,
    pub(super) metadata: Metadata,
    pub(super) conditions: Conditions,
}

/// Why an admitted operation cannot be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Failure {
    ContainerNotFound,
    ContainerAlreadyExists,
    ContainerBeingDeleted,
    BlobNotFound,
    BlobAlreadyExists,
    /// A precondition of a write, or `If-Match` or `If-Unmodified-Since` of a read.
    ConditionNotMet,
    /// `If-None-Match` or `If-Modified-Since` of a read.
    NotModified,
    UnsatisfiableCondition,
    MultipleConditions,
    InvalidBlockList,
    /// A block id is not as long as the others.
    InvalidBlobOrBlock,
}

/// The blocks of a blob.
#[derive(Debug)]
pub(super) struct BlockList {
    /// The blob, if one is committed.
    pub(super) blob: Option<BlockBlob>,
    pub(super) uncommitted: Vec<Block>,
}

impl Engine {
    /// Adds a container without the gate, as a deployment through ARM does.
    pub(super) fn provision(&mut self, name: &str, now: OffsetDateTime) {
        self.add_container(name, Metadata::default(), now);
    }

    /// Creates the admitted container.
    pub(super) fn create_container(
        &mut self,
        admitted: &Admitted,
        metadata: Metadata,
        now: OffsetDateTime,
    ) -> Result<Stamp, Failure> {
        let name = container_name(admitted);
        if self.containers.contains_key(name) {
            return Err(Failure::ContainerAlreadyExists);
        }
        if self.being_deleted.get(name).is_some_and(|free| now < *free) {
            return Err(Failure::ContainerBeingDeleted);
        }
        Ok(self.add_container(name, metadata, now))
    }

    /// Deletes the admitted container and all that is in it.
    pub(super) fn delete_container(
        &mut self,
        admitted: &Admitted,
        now: OffsetDateTime,
    ) -> Result<(), Failure> {
        let name = container_name(admitted);
        self.containers
            .remove(name)
            .ok_or(Failure::ContainerNotFound)?;
        self.being_deleted
            .insert(name.to_owned(), now + BEING_DELETED);
        Ok(())
    }

    /// The admitted container without its blobs.
    pub(super) fn container(&self, admitted: &Admitted) -> Result<Container, Failure> {
        let found = self.find(admitted)?;
        Ok(found.without_blobs())
    }

    /// A blob, if the conditions hold.
    pub(super) fn get(
        &self,
        admitted: &Admitted,
        name: &str,
        conditions: &Conditions,
    ) -> Result<BlockBlob, Failure> {
        let found = self.find(admitted)?.blobs.get(name);
        conditions.check_read(found.map(|blob| &blob.stamp))?;
        found.cloned().ok_or(Failure::BlobNotFound)
    }

    /// Puts a whole blob; its uncommitted blocks are discarded (documented, *Put Blob*).
    pub(super) fn put(
        &mut self,
        admitted: &Admitted,
        name: &str,
        data: Bytes,
        upload: Upload,
        now: OffsetDateTime,
    ) -> Result<Stamp, Failure> {
        self.check_put(admitted, name, &upload.conditions)?;
        let block = Block { id: None, data };
        self.store(admitted, name, Arc::new([block]), upload, now)
    }

    /// Stages a block. A block of the same id is replaced (documented, *Put Block*).
    pub(super) fn put_block(
        &mut self,
        admitted: &Admitted,
        name: &str,
        id: String,
        data: Bytes,
    ) -> Result<(), Failure> {
        let blocks = self.find_mut(admitted)?;
        let blocks = blocks.uncommitted.entry(name.to_owned()).or_default();
        let same_length = |block: &Block| block.id.as_ref().is_none_or(|b| b.len() == id.len());
        if !blocks.iter().all(same_length) {
            return Err(Failure::InvalidBlobOrBlock);
        }
        blocks.retain(|block| block.id.as_deref() != Some(&id));
        let id = Some(id);
        blocks.push(Block { id, data });
        Ok(())
    }

    /// Makes a blob of blocks. Staged blocks that are not listed are discarded
    /// (documented, *Put Block List*).
    pub(super) fn put_block_list(
        &mut self,
        admitted: &Admitted,
        name: &str,
        list: &[BlockSource],
        upload: Upload,
        now: OffsetDateTime,
    ) -> Result<Stamp, Failure> {
        self.check_put(admitted, name, &upload.conditions)?;
        let container = self.find(admitted)?;
        let staged = container.uncommitted.get(name).map_or(&[][..], |b| b);
        let committed = container.blobs.get(name).map_or(&[][..], |b| &b.blocks);
        let find = |blocks: &[Block], id: &str| {
            let found = blocks.iter().find(|block| block.id.as_deref() == Some(id));
            found.cloned()
        };
        let blocks: Option<Arc<[Block]>> = list
            .iter()
            .map(|source| match source {
                BlockSource::Committed(id) => find(committed, id),
                BlockSource::Uncommitted(id) => find(staged, id),
                BlockSource::Latest(id) => find(staged, id).or_else(|| find(committed, id)),
            })
            .collect();
        let blocks = blocks.ok_or(Failure::InvalidBlockList)?;
        self.store(admitted, name, blocks, upload, now)
    }

    /// The committed and the staged blocks of a blob.
    pub(super) fn block_list(&self, admitted: &Admitted, name: &str) -> Result<BlockList, Failure> {
        let container = self.find(admitted)?;
        let blob = container.blobs.get(name).cloned();
        let uncommitted = container.uncommitted.get(name).cloned();
        if blob.is_none() && uncommitted.is_none() {
            return Err(Failure::BlobNotFound);
        }
        Ok(BlockList {
            blob,
            uncommitted: uncommitted.unwrap_or_default(),
        })
    }

    /// Replaces a blob's metadata.
    pub(super) fn set_metadata(
        &mut self,
        admitted: &Admitted,
        name: &str,
        metadata: Metadata,
        conditions: &Conditions,
        now: OffsetDateTime,
    ) -> Result<Stamp, Failure> {
        let stamp = self.stamp(now);
        let found = self.find_mut(admitted)?.blobs.get_mut(name);
        let blob = found.ok_or(Failure::BlobNotFound)?;
        conditions.check_write(Some(&blob.stamp))?;
        blob.metadata = metadata;
        blob.stamp = stamp.clone();
        Ok(stamp)
    }

    /// Deletes a blob and its staged blocks.
    pub(super) fn delete(
        &mut self,
        admitted: &Admitted,
        name: &str,
        conditions: &Conditions,
    ) -> Result<(), Failure> {
        let container = self.find_mut(admitted)?;
        let blob = container.blobs.get(name).ok_or(Failure::BlobNotFound)?;
        conditions.check_write(Some(&blob.stamp))?;
        container.blobs.remove(name);
        container.uncommitted.remove(name);
        Ok(())
    }

    fn find(&self, admitted: &Admitted) -> Result<&Container, Failure> {
        self.containers
            .get(container_name(admitted))
            .ok_or(Failure::ContainerNotFound)
    }

    fn find_mut(&mut self, admitted: &Admitted) -> Result<&mut Container, Failure> {
        self.containers
            .get_mut(container_name(admitted))
            .ok_or(Failure::ContainerNotFound)
    }

    fn add_container(&mut self, name: &str, metadata: Metadata, now: OffsetDateTime) -> Stamp {
        let stamp = self.stamp(now);
        self.being_deleted.remove(name);
        let container = Container {
            stamp: stamp.clone(),
            metadata,
            blobs: BTreeMap::new(),
            uncommitted: BTreeMap::new(),
        };
        self.containers.insert(name.to_owned(), container);
        stamp
    }

    /// `If-None-Match: *` has a code of its own where a blob is created
    /// (observed: 409 `BlobAlreadyExists`).
    fn check_put(
        &self,
        admitted: &Admitted,
        name: &str,
        conditions: &Conditions,
    ) -> Result<(), Failure> {
        let current = self.find(admitted)?.blobs.get(name);
        if current.is_some() && conditions.wants_new() {
            return Err(Failure::BlobAlreadyExists);
        }
        conditions.check_write(current.map(|blob| &blob.stamp))
    }

    fn store(
        &mut self,
        admitted: &Admitted,
        name: &str,
        blocks: Arc<[Block]>,
        upload: Upload,
        now: OffsetDateTime,
    ) -> Result<Stamp, Failure> {
        let stamp = self.stamp(now);
        let container = self.find_mut(admitted)?;
        container.uncommitted.remove(name);
        let created = container.blobs.get(name).map_or(now, |blob| blob.created);
        let blob = BlockBlob {
            stamp: stamp.clone(),
            created,
            headers: upload.headers,
            metadata: upload.metadata,
            length: blocks.iter().map(|block| block.data.len() as u64).sum(),
            blocks,
        };
        container.blobs.insert(name.to_owned(), blob);
        Ok(stamp)
    }

    /// A stamp that no other change has: its tick is later than every one before.
    fn stamp(&mut self, now: OffsetDateTime) -> Stamp {
        let tick = now.unix_timestamp_nanos() / 100 + TICKS_TO_1970;
        self.last_tick = tick.max(self.last_tick + 1);
        Stamp {
            etag: format!("0x{:X}", self.last_tick),
            last_modified: now.replace_nanosecond(0).unwrap_or(now),
        }
    }
}

impl Container {
    fn without_blobs(&self) -> Self {
        Self {
            stamp: self.stamp.clone(),
            metadata: self.metadata.clone(),
            blobs: BTreeMap::new(),
            uncommitted: BTreeMap::new(),
        }
    }
}

/// The container that the operation was admitted to.
fn container_name(admitted: &Admitted) -> &str {
    match admitted.operation().scope.segments() {
        [_, containers, name] if containers == "containers" => name,
        _ => "",
    }
}
