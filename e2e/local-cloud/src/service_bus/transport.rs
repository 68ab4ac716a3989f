//! Moves bytes between a stream and a [`Connection`], and tells it the time.

use std::{io, sync::Arc, time::Duration};

use bytes::BytesMut;
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    sync::mpsc,
    time::{Instant, interval_at, timeout},
};

use super::{
    ServiceBus,
    connection::{Connection, IDLE_TIME_OUT},
    refusal::Refusal,
};

/// Links wait when this many of their outputs are not written yet.
const OUTPUTS: usize = 256;

/// Links are not listened to while this much waits to be written.
const HIGH_WATER_BYTES: usize = 1 << 20;
const HIGH_WATER_FRAMES: usize = 1_024;

/// The client is not listened to while this much waits to be written.
const FULL_BYTES: usize = 4 << 20;

/// How long the client has to read the last words.
const FAREWELL: Duration = Duration::from_secs(1);

/// Serves one connection until it ends.
pub(super) async fn run<IO>(bus: Arc<ServiceBus>, admitted: bool, io: IO)
where
    IO: AsyncRead + AsyncWrite + Unpin + Send,
{
    let clock = bus.clock.clone();
    let (sender, mut outputs) = mpsc::channel(OUTPUTS);
    let mut connection = Connection::new(bus, admitted, sender);
    let (mut reader, mut writer) = tokio::io::split(io);
    let mut input = BytesMut::new();
    let mut heartbeat = None;
    let mut unflushed = false;
    let mut last_heard = Instant::now();
    let patience = Duration::from_millis(u64::from(IDLE_TIME_OUT)) * 2;

    while !(connection.is_over() && connection.out.is_empty() && !unflushed) {
        let reads = !connection.is_over() && connection.out.len() < FULL_BYTES;
        let listens =
            connection.out.len() < HIGH_WATER_BYTES && connection.waiting() < HIGH_WATER_FRAMES;
        let unwritten = unflushed || !connection.out.is_empty();
        let claim_expiry = connection.next_claim_expiry();
        tokio::select! {
            read = reader.read_buf(&mut input), if reads => {
                // Clients often drop TCP without a TLS goodbye: that too is an end.
                if read.map_or(true, |bytes| bytes == 0) {
                    break;
                }
                last_heard = Instant::now();
                connection.receive(&mut input);
                if heartbeat.is_none() {
                    heartbeat = connection
                        .heartbeat()
                        .map(|period| interval_at(Instant::now() + period, period));
                }
            }
            written = write(&mut writer, &mut connection.out), if unwritten => match written {
                Ok(Written::Some) => unflushed = true,
                Ok(Written::All) => unflushed = false,
                Err(_gone) => break,
            },
            Some((id, output)) = outputs.recv(), if listens => connection.on_output(id, output),
            () = tick(&mut heartbeat) => connection.write_heartbeat(),
            () = expiry(&clock, claim_expiry) => connection.expire_claims(),
            () = tokio::time::sleep_until(last_heard + patience), if !connection.is_over() => {
                connection.close(&Refusal::new(
                    "amqp:connection:forced",
                    format!(
                        "The connection was inactive for more than the allowed {} milliseconds \
                         and is closed by container.",
                        patience.as_millis()
                    ),
                ));
            }
        }
    }
    let over = connection.is_over();
    connection.finish();
    if over {
        // A socket closed with unread bytes in it would take the last words
        // back, so the client's end is read first.
        let farewell = async {
            writer.shutdown().await?;
            tokio::io::copy(&mut reader, &mut tokio::io::sink()).await
        };
        match timeout(FAREWELL, farewell).await {
            Ok(Ok(_)) => {}
            Ok(Err(error)) => tracing::debug!(%error, "an AMQP client left before its goodbye"),
            Err(_elapsed) => tracing::debug!("an AMQP client did not close its stream"),
        }
    }
}

enum Written {
    Some,
    All,
}

/// Cancel safe: either bytes are taken off `out` and written, or neither.
async fn write<W: AsyncWrite + Unpin>(writer: &mut W, out: &mut BytesMut) -> io::Result<Written> {
    if out.is_empty() {
        writer.flush().await?;
        return Ok(Written::All);
    }
    match writer.write_buf(out).await? {
        0 => Err(io::ErrorKind::WriteZero.into()),
        _ => Ok(Written::Some),
    }
}

async fn tick(heartbeat: &mut Option<tokio::time::Interval>) {
    match heartbeat {
        Some(heartbeat) => {
            heartbeat.tick().await;
        }
        None => std::future::pending().await,
    }
}

async fn expiry(clock: &crate::clock::Clock, at: Option<time::OffsetDateTime>) {
    match at {
        Some(at) => clock.sleep_until(at).await,
        None => std::future::pending().await,
    }
}
