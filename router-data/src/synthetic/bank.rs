//! Kinds of task with their own words, from which prompts are made that read like real ones.
//!
//! A slot `{n}` takes a noun of the kind, `{v}` a verb, `{a}` an adjective; `{p}` takes a first name and `{k}` a number, which
//! all kinds share.

/// A kind of task.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Kind {
    pub(crate) name: &'static str,
    pub(crate) asks: [&'static str; 3],
    pub(crate) contexts: [&'static str; 3],
    pub(crate) nouns: [&'static str; 14],
    pub(crate) verbs: [&'static str; 6],
    pub(crate) adjectives: [&'static str; 6],
}

/// More tasks than kinds are made of two kinds: what is asked from one, the nouns from the other.
pub(crate) const MOST_TASKS: usize = KINDS.len() * KINDS.len();

/// Nouns, verbs and adjectives that any task may use.
pub(crate) const COMMON: [[&str; 10]; 3] = [
    ["person", "place", "item", "group", "detail", "matter", "reason", "part", "way", "point"],
    ["consider", "mention", "handle", "use", "keep", "change", "show", "find", "choose", "describe"],
    ["new", "good", "simple", "usual", "small", "different", "certain", "whole", "common", "recent"],
];

pub(crate) const PEOPLE: [&str; 20] = [
    "Amara", "Bilal", "Chloe", "Dmitri", "Elena", "Farid", "Greta", "Hiro", "Ines", "Jonas", "Keiko", "Liam", "Maya",
    "Nadia", "Omar", "Priya", "Quentin", "Rosa", "Sven", "Tala",
];

pub(crate) const CLOSINGS: [&str; 6] = [
    "Please give the final answer at the end.",
    "Take your time and check the result.",
    "Say so if something is unclear.",
    "Keep the answer to the point.",
    "Thank you in advance.",
    "Explain your thinking along the way.",
];

/// Cues with two sides: what a prompt begins and ends with on either side.
pub(crate) const CUES: [[[&str; 2]; 2]; 4] = [
    [
        ["Short form, brief and terse:", "Again, the short form: brief, terse, one line."],
        ["Long form, thorough and complete:", "Again, the long form: thorough, complete, several pages."],
    ],
    [
        ["For a curious beginner:", "Remember that a beginner reads this with curious eyes."],
        ["For a seasoned specialist:", "Remember that a specialist reads this with seasoned eyes."],
    ],
    [
        ["In relaxed everyday language:", "The tone stays relaxed and everyday."],
        ["In formal official language:", "The tone stays formal and official."],
    ],
    [
        ["Result up front:", "Put the conclusion up front, before anything else."],
        ["Result afterwards:", "Put the conclusion afterwards, behind everything else."],
    ],
];

pub(crate) const KINDS: [Kind; 16] = [
    Kind {
        name: "arithmetic",
        asks: [
            "{p} buys {k} {n} for {k} dollars each and later has to {v} {k} of the {a} {n}. How much money is left in total?",
            "If {k} {n} cost as much as {k} {n}, how many dollars does {p} pay after the {a} discount of {k} percent?",
            "A {a} shop can {v} {k} {n} an hour. How many hours does {p} need for {k} {n}?",
        ],
        contexts: [
            "The {n} and the {n} are counted once, and the {a} total is rounded down.",
            "Every {n} weighs {k} grams; {p} wants to {v} them equally among {k} friends.",
            "The remaining {n} go into a {a} box before the sum is taken.",
        ],
        nouns: [
            "apples",
            "marbles",
            "pencils",
            "tickets",
            "cookies",
            "stickers",
            "coins",
            "oranges",
            "baskets",
            "crayons",
            "balloons",
            "muffins",
            "notebooks",
            "ribbons",
        ],
        verbs: ["subtract", "share", "multiply", "count", "double", "halve"],
        adjectives: ["equal", "remaining", "total", "numeric", "weekly", "discounted"],
    },
    Kind {
        name: "code",
        asks: [
            "Write a Python function that takes a {a} {n} and returns the {n} so that callers can {v} it in one pass.",
            "Why does my {n} raise an exception when I {v} the {a} {n} inside a loop of {k} iterations?",
            "Implement a class with a {n} and a {a} {n}; the method should {v} both and return a boolean.",
        ],
        contexts: [
            "The {n} may hold up to {k} entries, and the {n} must be {a}.",
            "Add unit tests that {v} an empty {n} and a {a} {n}.",
            "Do not import any library for the {n}; the runtime should stay {a}.",
        ],
        nouns: [
            "array",
            "dictionary",
            "string",
            "iterator",
            "linked list",
            "hashmap",
            "parser",
            "stack",
            "queue",
            "pointer",
            "callback",
            "regex",
            "recursion",
            "integer",
        ],
        verbs: ["traverse", "sort", "serialize", "debug", "refactor", "deduplicate"],
        adjectives: ["nested", "mutable", "asynchronous", "generic", "immutable", "linear"],
    },
    Kind {
        name: "translation",
        asks: [
            "Translate the following {n} from French into {a} German, and {v} the {n} of the original.",
            "How would a native speaker {v} this {a} {n} in Spanish without losing the {n}?",
            "Render the {n} below in Italian so that {p} can {v} the {a} {n} aloud.",
        ],
        contexts: [
            "The {n} uses the {a} form of address, and every {n} should match.",
            "Mark each {n} that you {v}, with a note on the {n}.",
            "The {a} {n} in the second line is a play on words.",
        ],
        nouns: [
            "idiom",
            "phrase",
            "subtitle",
            "dialect",
            "pronoun",
            "proverb",
            "accent",
            "greeting",
            "vocabulary",
            "slang",
            "grammar",
            "transcript",
            "glossary",
            "intonation",
        ],
        verbs: ["preserve", "paraphrase", "localize", "pronounce", "conjugate", "transliterate"],
        adjectives: ["idiomatic", "colloquial", "literal", "bilingual", "fluent", "archaic"],
    },
    Kind {
        name: "law",
        asks: [
            "Under a {a} contract, may the {n} {v} the {n} after {k} days without the consent of {p}?",
            "Which {n} applies when a {a} court has to {v} the {n} of the defendant?",
            "Draft a {a} clause that lets the {n} {v} the {n} within {k} days.",
        ],
        contexts: [
            "The {n} was signed by {p}, and the {a} {n} is disputed.",
            "Neither the {n} nor the {n} may {v} the agreement before trial.",
            "Assume a {a} jurisdiction in which the {n} is enforceable.",
        ],
        nouns: [
            "plaintiff",
            "tenant",
            "statute",
            "liability",
            "warranty",
            "injunction",
            "landlord",
            "tort",
            "verdict",
            "lawsuit",
            "arbitration",
            "testimony",
            "lease",
            "damages",
        ],
        verbs: ["terminate", "appeal", "waive", "litigate", "breach", "enforce"],
        adjectives: ["statutory", "contractual", "federal", "binding", "civil", "negligent"],
    },
    Kind {
        name: "poetry",
        asks: [
            "Compose a {a} sonnet about the {n} and the {n}, in which {p} learns to {v}.",
            "Write {k} lines of {a} verse where the {n} and the {n} {v} together.",
            "Finish this {a} ballad so that the {n} rhymes and the {n} seems to {v}.",
        ],
        contexts: [
            "Let the {n} return in every stanza like a {a} {n}.",
            "The metre should {v} as the {n} does, with a {a} refrain.",
            "Avoid the word {n}; suggest the {n} by a {a} image.",
        ],
        nouns: [
            "moonlight",
            "autumn",
            "sorrow",
            "nightingale",
            "shadow",
            "rose",
            "longing",
            "dawn",
            "whisper",
            "meadow",
            "tide",
            "twilight",
            "silence",
            "frost",
        ],
        verbs: ["lament", "sing", "wander", "bloom", "shimmer", "yearn"],
        adjectives: ["melancholy", "lyrical", "silver", "tender", "mournful", "haunting"],
    },
    Kind {
        name: "medicine",
        asks: [
            "A {k}-year-old patient presents with {a} {n} and {n}. Which test would best {v} the diagnosis?",
            "Which drug should a physician {v} for {a} {n} when the patient also has {n}?",
            "How does {a} {n} progress to {n}, and when should {p} {v} treatment?",
        ],
        contexts: [
            "The blood count shows {a} {n}, and the {n} is unremarkable.",
            "There is a family history of {n}; the nurse will {v} every {k} hours.",
            "An X-ray of the chest rules out {n} but not {a} {n}.",
        ],
        nouns: [
            "anemia",
            "fever",
            "hypertension",
            "pneumonia",
            "insulin",
            "lesion",
            "sepsis",
            "asthma",
            "antibiotic",
            "biopsy",
            "thrombosis",
            "nausea",
            "edema",
            "migraine",
        ],
        verbs: ["confirm", "prescribe", "palpate", "monitor", "diagnose", "vaccinate"],
        adjectives: ["acute", "chronic", "pulmonary", "benign", "systemic", "arterial"],
    },
    Kind {
        name: "history",
        asks: [
            "How did the {a} {n} of 18{k} lead the {n} to {v} against the crown?",
            "Why did the {n} {v} the {a} {n} during the reign of queen {p}?",
            "Compare the {a} {n} with the {n} that would {v} the old order a century later.",
        ],
        contexts: [
            "Historians disagree whether the {n} or the {n} was {a}.",
            "Refer to the {a} chronicle that tells how soldiers {v} the {n}.",
            "The {n} lasted {k} years and ended with a {a} {n}.",
        ],
        nouns: [
            "empire",
            "revolution",
            "treaty",
            "monarchy",
            "siege",
            "parliament",
            "peasants",
            "colony",
            "dynasty",
            "crusade",
            "republic",
            "armistice",
            "nobility",
            "conquest",
        ],
        verbs: ["rebel", "conquer", "abdicate", "besiege", "colonize", "overthrow"],
        adjectives: ["medieval", "imperial", "feudal", "colonial", "royal", "revolutionary"],
    },
    Kind {
        name: "chemistry",
        asks: [
            "What mass of {n} forms when {k} grams of {a} {n} are heated until they {v}?",
            "Balance the reaction in which {a} {n} and {n} {v} in water at {k} degrees.",
            "Why does the {a} {n} {v} faster when {n} is added?",
        ],
        contexts: [
            "The {n} has a molar concentration of {k}, and the {n} is {a}.",
            "Assume that the {a} {n} does not {v} below {k} kelvin.",
            "Give the oxidation state of the {n} and of the {n}.",
        ],
        nouns: [
            "sodium",
            "catalyst",
            "acid",
            "electron",
            "benzene",
            "chloride",
            "isotope",
            "polymer",
            "hydroxide",
            "ester",
            "titration",
            "enthalpy",
            "sulfate",
            "ammonia",
        ],
        verbs: ["oxidize", "dissolve", "precipitate", "ionize", "distill", "evaporate"],
        adjectives: ["aqueous", "volatile", "exothermic", "covalent", "molar", "acidic"],
    },
    Kind {
        name: "travel",
        asks: [
            "Plan a {a} trip of {k} days for {p} with a {n}, a {n} and time to {v}.",
            "Which {a} {n} near the coast can tourists {v} in {k} hours from the {n}?",
            "Suggest a {a} {n} for a family that likes to {v} and needs a {n}.",
        ],
        contexts: [
            "The {n} leaves at {k} past nine, and the {n} is {a}.",
            "We would rather {v} than wait for the {a} {n}.",
            "Our budget covers the {n} but not the {a} {n}.",
        ],
        nouns: [
            "itinerary",
            "hostel",
            "ferry",
            "passport",
            "beach",
            "museum",
            "luggage",
            "airport",
            "campsite",
            "village",
            "guidebook",
            "harbor",
            "cathedral",
            "sightseeing",
        ],
        verbs: ["hike", "snorkel", "explore", "board", "visit", "sail"],
        adjectives: ["scenic", "coastal", "touristy", "remote", "overnight", "sunny"],
    },
    Kind {
        name: "letters",
        asks: [
            "Write a {a} email to {p} about the {n}, and {v} the {n} for next Monday.",
            "Help me to {v} a {a} reply to my manager, who asked for the {n} and the {n}.",
            "Rewrite this {n} so that it sounds {a} and still lets me {v} the {n}.",
        ],
        contexts: [
            "The {n} was sent {k} days ago, and nobody has answered the {a} {n}.",
            "Mention the {n} in the subject line and {v} at the end.",
            "{p} should not feel that the {a} {n} is a complaint.",
        ],
        nouns: [
            "meeting",
            "invoice",
            "deadline",
            "colleague",
            "promotion",
            "agenda",
            "resignation",
            "reminder",
            "signature",
            "supervisor",
            "appointment",
            "salary",
            "attachment",
            "feedback",
        ],
        verbs: ["apologize", "reschedule", "confirm receipt", "decline", "forward", "follow up"],
        adjectives: ["polite", "professional", "courteous", "urgent", "friendly", "cordial"],
    },
    Kind {
        name: "databases",
        asks: [
            "Write an SQL query that can {v} the {a} {n} of each {n} in the last {k} days.",
            "Why is the {a} {n} slow when I {v} on the {n} with {k} million rows?",
            "Design a {a} {n} for a {n} so that reports can {v} without locking.",
        ],
        contexts: [
            "The {n} has a {a} {n} on the first two fields.",
            "Use a {n} rather than a {a} {n}, and {v} by customer.",
            "Rows of the {n} without a {n} must still be listed.",
        ],
        nouns: [
            "table",
            "index",
            "foreign key",
            "schema",
            "transaction",
            "column",
            "subquery",
            "timestamp",
            "warehouse",
            "cursor",
            "view",
            "replica",
            "partition",
            "trigger",
        ],
        verbs: ["aggregate", "join", "normalize", "insert", "truncate", "filter"],
        adjectives: ["relational", "clustered", "distinct", "composite", "indexed", "nullable"],
    },
    Kind {
        name: "logic",
        asks: [
            "{k} {n} sit in a row. If the {a} {n} must {v} the first, which one lies?",
            "Is the {a} {n} valid if every {n} can {v} its opposite?",
            "Each {n} owns a {a} {n}; from the clues, {v} who lives in house {k}.",
        ],
        contexts: [
            "No {n} is next to a {a} {n} on the left.",
            "Exactly {k} of the {n} are false, and the {n} is {a}.",
            "From the second clue one can {v} that the {n} is {a}.",
        ],
        nouns: [
            "knights",
            "knaves",
            "premise",
            "puzzle",
            "syllogism",
            "clue",
            "paradox",
            "truth-teller",
            "riddle",
            "axiom",
            "proposition",
            "neighbor",
            "hat",
            "deduction",
        ],
        verbs: ["deduce", "contradict", "imply", "negate", "infer", "precede"],
        adjectives: ["consistent", "adjacent", "contrary", "tautological", "logical", "necessary"],
    },
    Kind {
        name: "cooking",
        asks: [
            "Give me a {a} recipe for {n} with {n} that serves {k} and tells when to {v}.",
            "How long should I {v} the {n} so that the {a} {n} does not burn?",
            "What can replace {n} in a {a} {n} if {p} cannot {v} it?",
        ],
        contexts: [
            "Heat the oven to {k} degrees before you {v} the {a} {n}.",
            "Chop the {n} and the {n} while the pan gets hot.",
            "Season the {a} {n} with {n} to taste.",
        ],
        nouns: [
            "garlic",
            "dough",
            "butter",
            "soup",
            "basil",
            "flour",
            "chicken",
            "onions",
            "lasagna",
            "cinnamon",
            "curry",
            "vinegar",
            "mushrooms",
            "custard",
        ],
        verbs: ["simmer", "knead", "bake", "marinate", "whisk", "roast"],
        adjectives: ["crispy", "creamy", "spicy", "vegetarian", "savory", "tangy"],
    },
    Kind {
        name: "finance",
        asks: [
            "Should {p} {v} the {a} {n} or the {n} at an interest rate of {k} percent?",
            "How does a {a} {n} affect the {n} of a bank that has to {v}?",
            "Compute the {a} {n} after {k} years if we {v} the {n} every quarter.",
        ],
        contexts: [
            "The {n} yields {k} percent a year, and the {n} is {a}.",
            "Inflation makes investors {v} the {a} {n}.",
            "Compare the {n} with a {a} {n} before tax.",
        ],
        nouns: [
            "bond",
            "portfolio",
            "dividend",
            "mortgage",
            "equity",
            "stock",
            "loan",
            "hedge fund",
            "liquidity",
            "yield",
            "currency",
            "asset",
            "broker",
            "pension",
        ],
        verbs: ["invest", "refinance", "diversify", "amortize", "borrow", "liquidate"],
        adjectives: ["taxable", "fiscal", "leveraged", "annual", "volatile-priced", "compounded"],
    },
    Kind {
        name: "astronomy",
        asks: [
            "How far away is a {a} {n} if its {n} appears to {v} by {k} arcseconds?",
            "Why does the {a} {n} {v} around the {n} every {k} days?",
            "Could a telescope {v} a {a} {n} near the {n} from Earth?",
        ],
        contexts: [
            "The {n} has {k} times the mass of the Sun and a {a} {n}.",
            "Light from the {n} reaches the {a} {n} first.",
            "Observers {v} the {n} in the {a} band.",
        ],
        nouns: [
            "galaxy",
            "orbit",
            "supernova",
            "comet",
            "redshift",
            "nebula",
            "eclipse",
            "quasar",
            "asteroid",
            "exoplanet",
            "pulsar",
            "constellation",
            "black hole",
            "parallax",
        ],
        verbs: ["collapse", "rotate", "observe", "transit", "accrete", "radiate"],
        adjectives: ["stellar", "interstellar", "luminous", "infrared", "planetary", "celestial"],
    },
    Kind {
        name: "gardening",
        asks: [
            "When should {p} {v} the {a} {n} so that the {n} flower in June?",
            "My {n} has {a} leaves since I began to {v} the {n}. What helps?",
            "Which {a} {n} can I {v} beside {k} {n} in clay soil?",
        ],
        contexts: [
            "The {n} get {k} hours of sun, and the {n} is {a}.",
            "I water the {a} {n} twice and {v} in spring.",
            "Slugs eat the {n} but leave the {a} {n}.",
        ],
        nouns: [
            "tomatoes",
            "compost",
            "tulips",
            "hedge",
            "seedlings",
            "lawn",
            "mulch",
            "weeds",
            "shrub",
            "roots",
            "greenhouse",
            "trellis",
            "lavender",
            "bulbs",
        ],
        verbs: ["prune", "fertilize", "transplant", "sow", "graft", "harvest"],
        adjectives: ["perennial", "shady", "wilted", "fertile", "potted", "organic"],
    },
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[test]
    fn every_word_that_tells_a_kind_belongs_to_one_kind() {
        let mut owners: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for kind in &KINDS {
            for word in kind.nouns.iter().chain(&kind.verbs).chain(&kind.adjectives) {
                owners.entry(word).or_default().push(kind.name);
            }
        }
        for word in COMMON.iter().flatten() {
            owners.entry(word).or_default().push("common");
        }
        let shared: Vec<_> = owners.iter().filter(|(_, kinds)| kinds.len() > 1).collect();
        assert!(shared.is_empty(), "{shared:?}");
    }
}
