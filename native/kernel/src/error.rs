//! What can be wrong with stored bytes. The codes are those of `KernelErrorCode` in src/kernel/kernel.ts.

use std::fmt;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorCode {
    SealBroken,
    ContentMismatch,
    CompressionUnsupported,
    IndexInvalid,
}

impl ErrorCode {
    pub const fn name(self) -> &'static str {
        match self {
            Self::SealBroken => "KERNEL_SEAL_BROKEN",
            Self::ContentMismatch => "KERNEL_CONTENT_MISMATCH",
            Self::CompressionUnsupported => "KERNEL_COMPRESSION_UNSUPPORTED",
            Self::IndexInvalid => "KERNEL_INDEX_INVALID",
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KernelError {
    pub code: ErrorCode,
    pub message: String,
    /// Number of the content that it is about, where there are several.
    pub item: Option<usize>,
}

impl KernelError {
    pub fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), item: None }
    }

    pub fn of_item(self, item: usize) -> Self {
        Self { item: Some(item), ..self }
    }
}

impl fmt::Display for KernelError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} [{}]", self.message, self.code.name())
    }
}

impl std::error::Error for KernelError {}
