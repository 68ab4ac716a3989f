//! Telemetry for tests: what was written, and spans with ids.

use std::io::Write;
use std::sync::{Arc, Mutex};

use opentelemetry_sdk::trace::SdkTracerProvider;
use serde_json::Value;

use super::{LogFilter, subscriber};

#[derive(Clone, Default)]
struct Buffer(Arc<Mutex<Vec<u8>>>);

impl Write for Buffer {
    fn write(&mut self, line: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().write(line)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// What is written while `act` runs, a JSON object per line.
pub(crate) fn written(directives: &str, act: impl FnOnce()) -> Vec<Value> {
    let buffer = Buffer::default();
    let writer = buffer.clone();
    let provider = SdkTracerProvider::default();
    let subscriber = subscriber(
        LogFilter::with(directives),
        move || writer.clone(),
        &provider,
    );
    tracing::subscriber::with_default(subscriber, act);
    let bytes = buffer.0.lock().unwrap().clone();
    String::from_utf8(bytes)
        .expect("JSON is UTF-8")
        .lines()
        .map(|line| serde_json::from_str(line).expect("a line is JSON"))
        .collect()
}

/// Runs `act` where spans belong to traces.
pub(crate) fn traced(act: impl FnOnce()) {
    written("off", act);
}
