//! Latent semantic analysis: n-grams weighted by tf-idf, reduced to the leading singular directions of the training texts.
//!
//! The texts are cut as `hashing` cuts them. An n-gram that occurs tf times in a text and in df of the n training texts weighs
//! (1 + ln tf) * (ln((1 + n) / (1 + df)) + 1); known are those of at least `minimum_frequency` texts, and of those the
//! `maximum_vocabulary` most frequent a kind. The block of word n-grams and that of character n-grams are scaled to fixed shares
//! of the squared length. The right singular vectors of the n x v matrix of weights (Deerwester et al., Indexing by latent
//! semantic analysis, JASIS 41, 1990), found by randomized block subspace iteration (Halko, Martinsson and Tropp, Finding
//! structure with randomness, SIAM Review 53, 2011, algorithms 4.4 and 5.1), project a text to d numbers, which are scaled to
//! length 1. With `whiten` every direction is divided by its singular value first.
//!
//! A text without a known n-gram gets the direction of the mean vector of the training texts: what says nothing reads like the
//! average. d is smaller where the texts span less; without any known n-gram it is 1.
//!
//! The whole text is read, however long. The embedder learns: it is fitted anew in every fold, lives in the artifact, and its
//! fingerprint covers all that it learned. N-grams are known by hash: the texts cannot be read back from an artifact.
//!
//! # Cost
//!
//! Fitting reads the texts twice, O(b log b) each for b bytes, and takes 4 (iterations + 1) l flops a stored weight and
//! 4 (iterations + 1) (n + v) l^2 for dense QR, l being d and at least 10 more, filled up to a multiple of 32. Memory: 8 bytes a
//! stored weight, 12 bytes for every different n-gram of the texts, and about 4 (n + 2 v) l numbers. Linear in n. Embedding a text
//! takes 2 d flops for every different n-gram in it. The artifact holds v x d numbers: 10 MB at the defaults.
//!
//! Measured as a whole training run with `global-mean` (reading, checking for near duplicates, fitting, embedding, saving) on prompts
//! of 500 characters on average, seconds of one core, and the most memory of the process: n = 3,000 in 2.9 s and 86 MB (with `hashing`
//! 0.7 s and 88 MB), n = 20,000 in 19.5 s and 251 MB (15.6 s and 420 MB).
//!
//! # When to choose it
//!
//! Where nothing may be downloaded and some thousand training texts are there: it knows which words matter and which go together,
//! and its vectors are short. An encoder model knows words that training never saw.
//!
//! # Why these defaults
//!
//! Chosen on the training parts of two sets of real prompts (n = 2,997 and 7,131) by three-fold cross-validated routing quality
//! of `ridge` alone, a linear probe, and of tuned nearest neighbors on the same vectors:
//!
//! | vectors | set 1: ridge | nearest | set 2: ridge | nearest |
//! |---|---|---|---|---|
//! | `hashing`, d = 1024 | .716 | .723 | .722 | .731 |
//! | d = 128 (default) | .725 | .735 | .730 | .732 |
//! | d = 256 | .722 | .733 | .729 | .732 |
//! | d = 256, vocabulary 20,000 | .723 | .733 | | |
//! | the same, d = 512 | .720 | .731 | | |
//! | the same, 4 iterations | .723 | .729 | | |
//! | the same, characters [3, 3] | .722 | .730 | | |
//! | the same, character weight 0.3; 0.7 | .722; .720 | .732; .732 | | |
//! | the same, whitened | .710 | .725 | | |
//!
//! Only whitening and `hashing` differ by more than such numbers vary from split to split (about .004), so that the cheaper
//! settings were taken.

mod config;
mod fit;
mod fitted;
mod vocabulary;
mod weigh;

pub use config::TfidfSvdConfig;
pub use fitted::TfidfSvdEmbedder;
