//! Why a run ends before it is done.

use std::fmt;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Interrupted {
    Cancelled,
    /// A thread of the run panicked.
    Panicked,
}

impl fmt::Display for Interrupted {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Cancelled => "the run was cancelled",
            Self::Panicked => "a thread of the native kernel panicked",
        })
    }
}
