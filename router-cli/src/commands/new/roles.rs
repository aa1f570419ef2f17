//! What differs by role in a new crate.

use crate::arguments::NewRole;

/// The parts of a new crate that depend on its role.
pub(super) struct Template {
    /// The role's name.
    pub(super) role: &'static str,
    /// The role's type in router-core.
    pub(super) role_type: &'static str,
    /// `src/lib.rs`.
    pub(super) library: &'static str,
    /// `config.toml`.
    pub(super) config: &'static str,
    /// The routers of the experiment that hold the plugin.
    pub(super) own: &'static str,
    /// What the method does, on a line.
    pub(super) summary: &'static str,
    /// Where it comes from.
    pub(super) source: &'static str,
    /// What it costs.
    pub(super) cost: &'static str,
    /// How it works, for the page.
    pub(super) method: &'static str,
    /// A promise of the role that some method may not keep.
    pub(super) excusable: &'static str,
    /// Lines of the manifest beside what every role needs.
    pub(super) dependencies: &'static str,
    /// Plugins of the role that it is benched beside.
    pub(super) rivals: &'static [&'static str],
}

macro_rules! sources {
    ($file:literal) => {
        include_str!(concat!("../../../templates/", $file))
    };
}

impl Template {
    /// That of `role`.
    pub(super) fn of(role: NewRole) -> &'static Self {
        match role {
            NewRole::Embedder => &EMBEDDER,
            NewRole::Discoverer => &DISCOVERER,
            NewRole::Classifier => &CLASSIFIER,
            NewRole::Estimator => &ESTIMATOR,
            NewRole::Aggregator => &AGGREGATOR,
            NewRole::Policy => &POLICY,
        }
    }
}

const EMBEDDER: Template = Template {
    role: "embedder",
    role_type: "EmbedderRole",
    library: sources!("embedder/lib.rs"),
    config: sources!("embedder/config.toml"),
    own: sources!("embedder/own.toml"),
    summary: "Counts of character sequences, hashed into a vector",
    source: "Weinberger et al., Feature Hashing for Large Scale Multitask Learning, ICML 2009",
    cost: "O(characters) a text; nothing is learned or stored",
    method: "Every sequence of `length` characters of the lower-case text adds 1 or -1 at a place of the vector that its hash tells, so that\n\
             collisions cancel on average; the vector is then scaled to length 1. An empty text has the zero vector.",
    excusable: "odd texts have vectors",
    dependencies: "async-trait = \"0.1\"\n",
    rivals: &["hashing", "tfidf-svd"],
};

const DISCOVERER: Template = Template {
    role: "discoverer",
    role_type: "DiscovererRole",
    library: sources!("discoverer/lib.rs"),
    config: sources!("discoverer/config.toml"),
    own: sources!("discoverer/own.toml"),
    summary: "Leader clustering: a prompt joins the nearest task or founds one",
    source: "Hartigan, Clustering Algorithms, Wiley 1975, chapter 3",
    cost: "O(n tasks d), one pass and one to assign",
    method: "In the order of the data, a prompt joins the task whose mean embedding has the highest cosine with it, if that is at least `similarity`,\n\
             and founds a task otherwise. Tasks of fewer than `smallest` prompts are dissolved, and every prompt joins the nearest task that is left.",
    excusable: "the tasks of an easy world are found",
    dependencies: "",
    rivals: &["graph", "kmeans"],
};

const CLASSIFIER: Template = Template {
    role: "classifier",
    role_type: "ClassifierRole",
    library: sources!("classifier/lib.rs"),
    config: sources!("classifier/config.toml"),
    own: sources!("classifier/own.toml"),
    summary: "The likeliest task under a von Mises-Fisher distribution a task",
    source: "Banerjee et al., Clustering on the Unit Hypersphere using von Mises-Fisher Distributions, JMLR 6 (2005)",
    cost: "fit O(n d); O(tasks d) a prompt",
    method: "A task's prompts lie around the direction of their mean embedding, equally closely in every task: the probability of a task is proportional\n\
             to its share of the training prompts times exp(`concentration` * cosine).",
    excusable: "the tasks of an easy world are told apart",
    dependencies: "",
    rivals: &["softmax", "centroid"],
};

const ESTIMATOR: Template = Template {
    role: "estimator",
    role_type: "EstimatorRole",
    library: sources!("estimator/lib.rs"),
    config: sources!("estimator/config.toml"),
    own: sources!("estimator/own.toml"),
    summary: "A line along the one direction in which embedding and quality vary together",
    source: "Wold, Estimation of Principal Components and Related Models by Iterative Least Squares, 1966 (partial least squares, one component)",
    cost: "fit O(outcomes d), O(m d) memory; O(m d) a prompt",
    method: "For every model, the covariance of embedding and quality is a direction; a least squares line along it, shrunk by `penalty`, tells how much\n\
             better or worse than its mean the model does on a prompt. This is partial least squares with one component.",
    excusable: "better than the global mean",
    dependencies: "",
    rivals: &["neighbors", "moe"],
};

const AGGREGATOR: Template = Template {
    role: "aggregator",
    role_type: "AggregatorRole",
    library: sources!("aggregator/lib.rs"),
    config: sources!("aggregator/config.toml"),
    own: sources!("aggregator/own.toml"),
    summary: "The mean of the parts' log-odds, sharpened",
    source: "Satopaa et al., Combining multiple probability predictions using a simple logit model, International Journal of Forecasting 30 (2014)",
    cost: "nothing to fit; O(parts m) a prompt",
    method: "Estimates become log-odds, their mean is multiplied by `sharpness` and turned back. Parts that agree on a high or low quality say more than\n\
             their average does, which a sharpness above 1 makes use of.",
    excusable: "one part alone",
    dependencies: "",
    rivals: &["weighted"],
};

const POLICY: Template = Template {
    role: "policy",
    role_type: "PolicyRole",
    library: sources!("policy/lib.rs"),
    config: sources!("policy/config.toml"),
    own: sources!("policy/own.toml"),
    summary: "The best lower confidence bound of quality, less lambda times cost",
    source: "the pessimism principle: Jin, Yang and Wang, Is Pessimism Provably Efficient for Offline RL?, ICML 2021",
    cost: "nothing to fit; O(m log m) a prompt",
    method: "Each model counts for its expected quality less `caution` standard deviations, where the estimator knows its variance, and less `lambda` times\n\
             its expected cost. A model about which little is known must look better than one that is known well.",
    excusable: "cancellation ends a fit",
    dependencies: "",
    rivals: &["utility"],
};
