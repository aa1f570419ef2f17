//! The n-grams of one kind that are known, and what each is worth.
#![allow(clippy::indexing_slicing, reason = "places are counted from the hashes, and a prefix is below 2^bits")]

use router_core::prelude::*;

/// The n-grams of one kind that are known.
///
/// They are known by their 64-bit hashes: two of a million n-grams share one with probability 3e-8. Texts cannot be read back.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct Vocabulary {
    /// Ascending.
    hashes: Vec<u64>,
    /// The inverse document frequency of every hash.
    idf: Vec<f32>,
    /// Leading bits of a hash that `starts` is indexed by.
    bits: u32,
    /// Where the hashes of every prefix begin, and their number.
    starts: Vec<u32>,
}

impl Vocabulary {
    /// The vocabulary of `hashes`, strictly ascending, and their inverse document frequencies.
    ///
    /// # Errors
    /// [`ErrorKind::Shape`] if they are not, or differ in number; [`ErrorKind::Data`] for a frequency that is not above zero.
    pub(super) fn new(hashes: Vec<u64>, idf: Vec<f32>) -> Result<Self> {
        if hashes.len() != idf.len() || hashes.len() > u32::MAX as usize {
            return Err(Error::shape("inverse document frequencies", hashes.len(), idf.len()));
        }
        if !hashes.is_sorted_by(|a, b| a < b) {
            return Err(Error::new(ErrorKind::Shape, "the hashes of a vocabulary do not ascend"));
        }
        if idf.iter().any(|&value| !value.is_finite() || value <= 0.0) {
            return Err(Error::new(ErrorKind::Data, "an inverse document frequency is not above zero"));
        }
        // As many prefixes as hashes: hashes are spread evenly, so that one or two share a prefix.
        let bits = hashes.len().next_power_of_two().trailing_zeros().clamp(1, 24);
        let mut starts = Vec::with_capacity((1 << bits) + 1);
        let mut at = 0;
        for prefix in 0..1u64 << bits {
            while hashes.get(at).is_some_and(|hash| hash >> (64 - bits) < prefix) {
                at += 1;
            }
            starts.push(at as u32);
        }
        starts.push(hashes.len() as u32);
        Ok(Self { hashes, idf, bits, starts })
    }

    pub(super) fn len(&self) -> usize {
        self.hashes.len()
    }

    pub(super) fn hashes(&self) -> &[u64] {
        &self.hashes
    }

    pub(super) fn idf(&self) -> &[f32] {
        &self.idf
    }

    /// The place of an n-gram and its inverse document frequency, if it is known.
    pub(super) fn find(&self, hash: u64) -> Option<(u32, f32)> {
        let prefix = (hash >> (64 - self.bits)) as usize;
        let start = self.starts[prefix] as usize;
        let found = self.hashes[start..self.starts[prefix + 1] as usize].iter().position(|&known| known == hash)?;
        Some(((start + found) as u32, self.idf[start + found]))
    }
}

/// In how many texts every n-gram occurs.
#[derive(Debug, Default)]
pub(super) struct DocumentFrequencies {
    /// By ascending hash.
    counts: Vec<(u64, u32)>,
}

impl DocumentFrequencies {
    /// Counts the n-grams of more texts, each n-gram as often as there are texts of them with it; `hashes` ascend.
    pub(super) fn add(&mut self, hashes: &[u64]) {
        let mut merged = Vec::with_capacity(self.counts.len() + hashes.len() / 2);
        let mut old = std::mem::take(&mut self.counts).into_iter().peekable();
        for equal in hashes.chunk_by(|a, b| a == b) {
            let (hash, mut count) = (equal[0], equal.len() as u32);
            while let Some(before) = old.next_if(|&(known, _)| known < hash) {
                merged.push(before);
            }
            if let Some((_, known)) = old.next_if(|&(known, _)| known == hash) {
                count += known;
            }
            merged.push((hash, count));
        }
        merged.extend(old);
        self.counts = merged;
    }

    /// The n-grams of at least `minimum` texts, the `most` of the highest frequency, ties to the lowest hash, weighted by the
    /// smoothed inverse document frequency ln((1 + texts) / (1 + frequency)) + 1.
    pub(super) fn vocabulary(self, texts: usize, minimum: usize, most: usize) -> Result<Vocabulary> {
        let mut kept = self.counts;
        kept.retain(|&(_, count)| count as usize >= minimum);
        if kept.len() > most {
            kept.sort_unstable_by(|a, b| b.1.cmp(&a.1).then(a.0.cmp(&b.0)));
            kept.truncate(most);
            kept.sort_unstable();
        }
        let idf = |count: u32| (((1.0 + texts as f64) / (1.0 + f64::from(count))).ln() + 1.0) as f32;
        let (hashes, idf) = kept.into_iter().map(|(hash, count)| (hash, idf(count))).unzip();
        Vocabulary::new(hashes, idf)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_hash_is_found_in_its_place_and_no_other() {
        for hashes in [vec![], vec![0], vec![u64::MAX], vec![0, 1, 2, 3, 1 << 63, (1 << 63) + 1, u64::MAX]] {
            let idf: Vec<f32> = (0..hashes.len()).map(|at| 1.0 + at as f32).collect();
            let vocabulary = Vocabulary::new(hashes.clone(), idf).unwrap();
            for (at, &hash) in hashes.iter().enumerate() {
                assert_eq!(vocabulary.find(hash), Some((at as u32, 1.0 + at as f32)));
            }
            for other in [5, 77, (1 << 63) + 2, u64::MAX - 1] {
                assert_eq!(vocabulary.find(other), None);
            }
        }
        assert!(Vocabulary::new(vec![2, 2], vec![1.0; 2]).is_err());
        assert!(Vocabulary::new(vec![2], vec![1.0; 2]).is_err());
        assert!(Vocabulary::new(vec![2], vec![f32::NAN]).is_err());
    }

    #[test]
    fn frequencies_are_counted_across_batches_and_cut() {
        let mut frequencies = DocumentFrequencies::default();
        frequencies.add(&[1, 1, 4, 9]);
        frequencies.add(&[0, 4, 5, 5]);
        frequencies.add(&[]);
        assert_eq!(frequencies.counts, [(0, 1), (1, 2), (4, 2), (5, 2), (9, 1)]);
        let vocabulary = frequencies.vocabulary(4, 2, 2).unwrap();
        assert_eq!(vocabulary.hashes(), [1, 4]);
        assert!((vocabulary.idf()[0] - ((5.0f32 / 3.0).ln() + 1.0)).abs() < 1e-6);
    }
}
