//! Tasks that are given: a prompt's benchmark, or a tag of it.
//!
//! Prompts of the same label form a task; a prompt without one, or with one that fewer than `minimum_size` prompts carry, has
//! no task. O(n log n). Choose it where prompts come with labels that say what they need (an intent, a product area), and as
//! the reference that discovery is measured against: it is the only discoverer that looks at benchmark labels.

use std::collections::BTreeMap;

use router_core::prelude::*;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Parameters of the `labels` discoverer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct LabelsConfig {
    /// Takes the label from the first tag that begins so, such as `intent:`, without the prefix. The empty prefix takes the first
    /// tag as it is. If left out, which is the default, the label is the prompt's benchmark.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tag_prefix: Option<String>,
    /// Labels of fewer prompts are no task. Default 1.
    #[schemars(range(min = 1))]
    pub minimum_size: usize,
}

impl Default for LabelsConfig {
    fn default() -> Self {
        Self { tag_prefix: None, minimum_size: 1 }
    }
}

impl PluginConfig for LabelsConfig {
    const NAME: &'static str = "labels";
    const SUMMARY: &'static str = "A task for every benchmark label, or for every tag of a prefix";
    const SOURCE: &'static str = "this project";
    const COST: &'static str = "O(n log n)";
    const EXAMPLE: &'static str = "tag_prefix = \"intent:\"\nminimum_size = 20\n";
}

impl LabelsConfig {
    fn label<'a>(&self, prompt: &'a Prompt) -> Option<&'a str> {
        match &self.tag_prefix {
            None => prompt.benchmark.as_deref(),
            Some(prefix) => prompt.tags.iter().find_map(|tag| tag.strip_prefix(prefix.as_str())),
        }
    }
}

impl TaskDiscoverer for LabelsConfig {
    fn discover(&self, set: &TrainingSet, cx: &FitContext) -> Result<TaskMap> {
        cx.check_cancelled()?;
        let mut sizes: BTreeMap<&str, usize> = BTreeMap::new();
        for label in set.prompts().filter_map(|prompt| self.label(prompt)) {
            *sizes.entry(label).or_insert(0) += 1;
        }
        sizes.retain(|_, size| *size >= self.minimum_size);
        let numbers: BTreeMap<&str, u32> = sizes.into_keys().zip(0..).collect();
        let labels: Vec<Option<u32>> =
            set.prompts().map(|prompt| self.label(prompt).and_then(|label| numbers.get(label).copied())).collect();
        Ok(TaskMap::from_labels(&labels))
    }
}

router_core::register!(DiscovererRole, LabelsConfig);

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use router_core::Model;

    use super::*;

    fn discover(config: &LabelsConfig) -> Vec<Option<u32>> {
        let prompt = |id: &str, benchmark: Option<&str>, tags: &[&str]| {
            let mut prompt = Prompt::new(id, "x");
            prompt.benchmark = benchmark.map(str::to_owned);
            prompt.tags = tags.iter().map(|tag| (*tag).to_owned()).collect();
            prompt
        };
        let prompts = vec![
            prompt("a", Some("code"), &["intent:fix", "intent:write"]),
            prompt("b", Some("math"), &["hard", "intent:solve"]),
            prompt("c", None, &["intent:solve"]),
            prompt("d", Some("math"), &[]),
        ];
        let pool = ModelPool::new(vec![Model::new("m")]).unwrap();
        let outcomes = Outcomes::from_rows(1, vec![vec![Outcome::new(0, 1.0)]; 4]).unwrap();
        let dataset = Arc::new(Dataset::new("d", prompts, pool, outcomes).unwrap());
        let set = TrainingSet::new(dataset, Arc::new(Matrix::zeros(4, 1))).unwrap();
        let map = config.discover(&set, &FitContext::new(0)).unwrap();
        map.assignments().iter().map(|task| task.map(|task| task.0)).collect()
    }

    #[test]
    fn labels_are_the_tasks() {
        let tag = |prefix: &str| LabelsConfig { tag_prefix: Some(prefix.into()), ..LabelsConfig::default() };
        assert_eq!(discover(&LabelsConfig::default()), [Some(1), Some(0), None, Some(0)]);
        assert_eq!(discover(&tag("intent:")), [Some(1), Some(0), Some(0), None]);
        assert_eq!(discover(&tag("topic:")), [None; 4]);
        // The first tag of each: intent:fix, hard, intent:solve, none.
        assert_eq!(discover(&tag("")), [Some(0), Some(1), Some(2), None]);
        let large = LabelsConfig { minimum_size: 2, ..LabelsConfig::default() };
        assert_eq!(discover(&large), [None, Some(0), None, Some(0)]);
    }
}
