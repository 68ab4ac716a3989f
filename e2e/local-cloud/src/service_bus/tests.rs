//! The broker's tests.
