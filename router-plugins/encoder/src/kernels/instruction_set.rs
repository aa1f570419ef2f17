//! Which instruction sets this processor has, and the way into the kernels of each.

/// An instruction set that this processor has. Values come from [`InstructionSet::best`] and [`InstructionSet::available`] alone, which
/// is what makes calling the kernels safe.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InstructionSet(pub(super) Level);

/// The instruction sets that have kernels of their own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Level {
    Portable,
    #[cfg(target_arch = "x86_64")]
    Avx2,
    #[cfg(target_arch = "x86_64")]
    Avx512,
    #[cfg(target_arch = "x86_64")]
    Avx512Vnni,
}

impl InstructionSet {
    /// The instruction sets of this processor, from the portable one to the fastest.
    pub fn available() -> Vec<Self> {
        let mut levels = vec![Level::Portable];
        #[cfg(target_arch = "x86_64")]
        {
            if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") {
                levels.push(Level::Avx2);
                if is_x86_feature_detected!("avx512f")
                    && is_x86_feature_detected!("avx512bw")
                    && is_x86_feature_detected!("avx512dq")
                    && is_x86_feature_detected!("avx512vl")
                {
                    levels.push(Level::Avx512);
                    if is_x86_feature_detected!("avx512vnni") {
                        levels.push(Level::Avx512Vnni);
                    }
                }
            }
        }
        levels.into_iter().map(Self).collect()
    }

    /// The fastest instruction set of this processor.
    pub fn best() -> Self {
        Self::available().last().copied().unwrap_or(Self(Level::Portable))
    }

    /// Its name: `portable`, `avx2`, `avx512` or `avx512-vnni`.
    pub fn name(self) -> &'static str {
        match self.0 {
            Level::Portable => "portable",
            #[cfg(target_arch = "x86_64")]
            Level::Avx2 => "avx2",
            #[cfg(target_arch = "x86_64")]
            Level::Avx512 => "avx512",
            #[cfg(target_arch = "x86_64")]
            Level::Avx512Vnni => "avx512-vnni",
        }
    }

    /// Columns of a panel of packed weights: two registers.
    pub(super) fn panel(self) -> usize {
        match self.0 {
            Level::Portable => 16,
            #[cfg(target_arch = "x86_64")]
            Level::Avx2 => 16,
            #[cfg(target_arch = "x86_64")]
            Level::Avx512 | Level::Avx512Vnni => 32,
        }
    }

    /// Bytes of a cell of the int8 products; see [`super::simd::Simd::CELL`].
    pub(super) fn cell(self) -> usize {
        match self.0 {
            Level::Portable => 1,
            #[cfg(target_arch = "x86_64")]
            Level::Avx2 | Level::Avx512 => 2,
            #[cfg(target_arch = "x86_64")]
            Level::Avx512Vnni => 1,
        }
    }
}

/// Defines `fn $name(set, ...)`, which runs `generic::$name` under the instruction set `set`.
macro_rules! dispatch {
    ($(#[$meta:meta])* fn $name:ident($($argument:ident: $type:ty),* $(,)?)) => {
        $(#[$meta])*
        ///
        /// # Safety
        /// The extents that the arguments speak of must be there. That the processor has the instructions, `set` proves.
        unsafe fn $name(set: $crate::kernels::InstructionSet, $($argument: $type),*) {
            use $crate::kernels::instruction_set::Level;

            #[cfg(target_arch = "x86_64")]
            #[target_feature(enable = "avx2,fma")]
            unsafe fn avx2($($argument: $type),*) {
                unsafe { $crate::kernels::generic::$name::<$crate::kernels::x86::Avx2>($($argument),*) }
            }
            #[cfg(target_arch = "x86_64")]
            #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx2,fma")]
            unsafe fn avx512($($argument: $type),*) {
                unsafe { $crate::kernels::generic::$name::<$crate::kernels::x86::Avx512>($($argument),*) }
            }
            #[cfg(target_arch = "x86_64")]
            #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vnni,avx2,fma")]
            unsafe fn avx512_vnni($($argument: $type),*) {
                unsafe { $crate::kernels::generic::$name::<$crate::kernels::x86::Avx512Vnni>($($argument),*) }
            }
            unsafe {
                match set.0 {
                    Level::Portable => $crate::kernels::generic::$name::<$crate::kernels::simd::Portable>($($argument),*),
                    #[cfg(target_arch = "x86_64")]
                    Level::Avx2 => avx2($($argument),*),
                    #[cfg(target_arch = "x86_64")]
                    Level::Avx512 => avx512($($argument),*),
                    #[cfg(target_arch = "x86_64")]
                    Level::Avx512Vnni => avx512_vnni($($argument),*),
                }
            }
        }
    };
}
pub(super) use dispatch;
