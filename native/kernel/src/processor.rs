//! What the processor has beyond what every one of its kind has. It is found out when the program runs.

use std::fmt;

/// What the kernels make use of, each including those before it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Processor {
    /// Nothing: what runs everywhere.
    Plain,
    #[cfg(target_arch = "x86_64")]
    Avx512(Avx512),
}

/// There is none of these where the processor lacks AVX-512 F, BW, VL or VBMI, which are what Intel's have since Ice Lake
/// and AMD's since Zen 4.
#[cfg(target_arch = "x86_64")]
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Avx512(());

impl Processor {
    /// This processor, at its best.
    pub fn here() -> Self {
        #[cfg(target_arch = "x86_64")]
        if let Some(avx512) = Avx512::here() {
            return Self::Avx512(avx512);
        }
        Self::Plain
    }

    /// What this processor can be taken for, the best last.
    pub fn all_here() -> Vec<Self> {
        let mut all = vec![Self::Plain];
        all.extend((Self::here() != Self::Plain).then(Self::here));
        all
    }
}

impl fmt::Debug for Processor {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Plain => "no AVX-512",
            #[cfg(target_arch = "x86_64")]
            Self::Avx512(_) => "AVX-512",
        })
    }
}

#[cfg(target_arch = "x86_64")]
impl Avx512 {
    fn here() -> Option<Self> {
        (is_x86_feature_detected!("avx512f")
            && is_x86_feature_detected!("avx512bw")
            && is_x86_feature_detected!("avx512vl")
            && is_x86_feature_detected!("avx512vbmi"))
        .then_some(Self(()))
    }
}
