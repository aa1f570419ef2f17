//! What varies: `{ each = [...] }` anywhere in a configuration stands for every one of its options in turn.

use serde_json::{Map, Value};

use router_core::{Error, ErrorKind, Result};

/// The key that marks what varies.
const EACH: &str = "each";
/// What an option that is a table may be called by.
const NAME: &str = "name";
/// Most variants of one configuration.
const MOST: usize = 100_000;

/// One configuration out of many.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Variant {
    /// The configuration, nothing in it varying any more.
    pub(super) value: Value,
    /// What was chosen where: the path, and the option in words.
    pub(super) labels: Vec<(String, String)>,
    /// What was chosen where: the path, and the option's number.
    choices: Vec<(String, usize)>,
}

impl Variant {
    /// The path in the grid's own text of what is at `field` here: `estimators[0].each[1].neighbors` for `estimators[0].neighbors`.
    pub(super) fn source_path(&self, field: &str) -> String {
        let chosen = |path: &str| self.choices.iter().find(|(at, _)| at == path).map(|(_, option)| *option);
        let (mut path, mut source) = (String::new(), String::new());
        let step = |path: &str, source: &mut String| {
            if let Some(option) = chosen(path) {
                *source = format!("{}[{option}]", join(source, EACH));
            }
        };
        step(&path, &mut source);
        for segment in field.split(['.', '[', ']']).filter(|segment| !segment.is_empty()) {
            for text in [&mut path, &mut source] {
                *text = join(text, segment);
            }
            step(&path, &mut source);
        }
        source
    }
}

fn join(path: &str, segment: &str) -> String {
    match (path, segment.parse::<usize>()) {
        (path, Ok(index)) => format!("{path}[{index}]"),
        ("", Err(_)) => segment.to_owned(),
        (path, Err(_)) => format!("{path}.{segment}"),
    }
}

/// Every configuration that `value`, which stands at `path`, is short for, the last that varies varying fastest.
///
/// # Errors
/// [`ErrorKind::Config`] with the field, a path below `path`, for an `each` that is no list, is empty, has a neighbor or an option twice; for
/// more variants than anybody can run.
pub(super) fn expand(value: &Value, path: &str) -> Result<Vec<Variant>> {
    match value {
        Value::Object(table) => match table.get(EACH) {
            Some(options) => expand_each(table, options, path),
            None => {
                let mut variants = vec![Variant { value: Value::Null, labels: Vec::new(), choices: Vec::new() }];
                let mut tables = vec![Map::new()];
                for (key, value) in table {
                    let inner = expand(value, &join(path, key))?;
                    (variants, tables) = product(&variants, &tables, &inner, path, |table: &mut Map<_, _>, value| {
                        table.insert(key.clone(), value);
                    })?;
                }
                Ok(finish(variants, tables, Value::Object))
            }
        },
        Value::Array(items) => {
            let mut variants = vec![Variant { value: Value::Null, labels: Vec::new(), choices: Vec::new() }];
            let mut lists = vec![Vec::new()];
            for (at, item) in items.iter().enumerate() {
                let inner = expand(item, &format!("{path}[{at}]"))?;
                (variants, lists) = product(&variants, &lists, &inner, path, Vec::push)?;
            }
            Ok(finish(variants, lists, Value::Array))
        }
        other => Ok(vec![Variant { value: other.clone(), labels: Vec::new(), choices: Vec::new() }]),
    }
}

/// Every one of `variants`, whose values so far are `made`, with every one of `inner` added.
fn product<T: Clone>(
    variants: &[Variant],
    made: &[T],
    inner: &[Variant],
    path: &str,
    add: impl Fn(&mut T, Value),
) -> Result<(Vec<Variant>, Vec<T>)> {
    if variants.len().saturating_mul(inner.len()) > MOST {
        return Err(Error::new(ErrorKind::Config, format!("more than {MOST} configurations"))
            .at_field(if path.is_empty() { EACH } else { path })
            .help("let less vary"));
    }
    let (mut all, mut values) = (Vec::new(), Vec::new());
    for (variant, made) in variants.iter().zip(made) {
        for inner in inner {
            let mut variant = variant.clone();
            variant.labels.extend(inner.labels.iter().cloned());
            variant.choices.extend(inner.choices.iter().cloned());
            let mut made = made.clone();
            add(&mut made, inner.value.clone());
            all.push(variant);
            values.push(made);
        }
    }
    Ok((all, values))
}

fn finish<T>(variants: Vec<Variant>, values: Vec<T>, make: impl Fn(T) -> Value) -> Vec<Variant> {
    variants.into_iter().zip(values).map(|(variant, value)| Variant { value: make(value), ..variant }).collect()
}

fn expand_each(table: &Map<String, Value>, options: &Value, path: &str) -> Result<Vec<Variant>> {
    let wrong =
        |message: String, help: &str| Err(Error::new(ErrorKind::Config, message).at_field(join(path, EACH)).help(help));
    let help = "as { each = [5, 10, 20] }, or { each = [{ use = \"ridge\" }, { use = \"neighbors\" }] }";
    if let Some(other) = table.keys().find(|key| *key != EACH) {
        return wrong(format!("`{other}` stands beside `each`"), "put it into every option");
    }
    let Value::Array(options) = options else { return wrong("expected a list of options".to_owned(), help) };
    if options.is_empty() {
        return wrong("there is no option".to_owned(), help);
    }
    let labels = labels(options);
    for (at, label) in labels.iter().enumerate() {
        if labels.iter().take(at).any(|earlier| earlier == label) {
            return wrong(format!("`{label}` stands twice"), "name every option once, or give them a `name`");
        }
    }
    let mut variants = Vec::new();
    for (at, (option, label)) in options.iter().zip(labels).enumerate() {
        let mut option = option.clone();
        if let Value::Object(table) = &mut option {
            table.shift_remove(NAME);
        }
        for inner in expand(&option, path).map_err(|error| below(error, path, at))? {
            let mut variant = Variant {
                value: inner.value,
                labels: vec![(if path.is_empty() { "router" } else { path }.to_owned(), label.clone())],
                choices: vec![(path.to_owned(), at)],
            };
            variant.labels.extend(inner.labels);
            variant.choices.extend(inner.choices);
            variants.push(variant);
        }
    }
    Ok(variants)
}

/// `error` of something within option `at` of the `each` at `path`, with its place in the text.
fn below(error: Error, path: &str, at: usize) -> Error {
    match error.field() {
        Some(field) => {
            let rest = field.strip_prefix(path).unwrap_or(field).trim_start_matches('.');
            let option = format!("{}[{at}]", join(path, EACH));
            let dot = if rest.is_empty() || rest.starts_with('[') { "" } else { "." };
            let field = format!("{option}{dot}{rest}");
            error.at_field(field)
        }
        None => error,
    }
}

/// What the options are called: their `name`, what they `use` where no two use the same, otherwise their text.
fn labels(options: &[Value]) -> Vec<String> {
    let used = |option: &Value| option.get("use").and_then(Value::as_str).map(str::to_owned);
    let named = |option: &Value| option.get(NAME).and_then(Value::as_str).map(str::to_owned);
    options
        .iter()
        .map(|option| {
            let alone = |name: &String| options.iter().filter(|other| used(other).as_ref() == Some(name)).count() == 1;
            named(option).or_else(|| used(option).filter(alone)).unwrap_or_else(|| match option {
                Value::String(text) => text.clone(),
                other => other.to_string(),
            })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn names(variants: &[Variant]) -> Vec<String> {
        let label = |variant: &Variant| {
            variant.labels.iter().map(|(path, label)| format!("{path}={label}")).collect::<Vec<_>>().join(" ")
        };
        variants.iter().map(label).collect()
    }

    #[test]
    fn options_of_components_have_their_own_parameters() {
        let value = json!({ "estimators": [{ "each": [
            { "use": "neighbors", "neighbors": { "each": [5, 10] } },
            { "use": "ridge" },
        ] }], "policy": { "lambda": { "each": [0.0, 1.5] } } });
        let variants = expand(&value, "").unwrap();
        assert_eq!(
            names(&variants),
            [
                "estimators[0]=neighbors estimators[0].neighbors=5 policy.lambda=0.0",
                "estimators[0]=neighbors estimators[0].neighbors=5 policy.lambda=1.5",
                "estimators[0]=neighbors estimators[0].neighbors=10 policy.lambda=0.0",
                "estimators[0]=neighbors estimators[0].neighbors=10 policy.lambda=1.5",
                "estimators[0]=ridge policy.lambda=0.0",
                "estimators[0]=ridge policy.lambda=1.5",
            ]
        );
        assert_eq!(
            variants[2].value,
            json!({
                "estimators": [{ "use": "neighbors", "neighbors": 10 }], "policy": { "lambda": 0.0 },
            })
        );
        let place = |field| variants[3].source_path(field);
        assert_eq!(place("estimators[0].neighbors"), "estimators[0].each[0].neighbors.each[1]");
        assert_eq!(place("estimators[0]"), "estimators[0].each[0]");
        assert_eq!(place("policy.lambda"), "policy.lambda.each[1]");
        assert_eq!(place("policy.use"), "policy.use");
    }

    #[test]
    fn whole_routers_and_lists_vary_too() {
        let value = json!({ "each": [{ "name": "a", "x": [1] }, { "name": "b", "x": { "each": [[1], [2]] } }] });
        let variants = expand(&value, "").unwrap();
        assert_eq!(names(&variants), ["router=a", "router=b x=[1]", "router=b x=[2]"]);
        assert_eq!(variants[2].value, json!({ "x": [2] }));
        assert_eq!(variants[2].source_path("x[0]"), "each[1].x.each[1][0]");
    }

    #[test]
    fn what_cannot_vary_is_told() {
        let error = |value: Value| {
            let error = expand(&value, "").unwrap_err();
            (error.field().unwrap().to_owned(), error.message().to_owned())
        };
        assert_eq!(error(json!({ "a": { "each": 5 } })), ("a.each".into(), "expected a list of options".into()));
        assert_eq!(error(json!({ "a": { "each": [] } })).1, "there is no option");
        assert_eq!(error(json!({ "a": { "each": [1], "b": 2 } })).1, "`b` stands beside `each`");
        assert_eq!(error(json!({ "a": { "each": [1, 2, 1] } })).1, "`1` stands twice");
        let nested = json!({ "a": [{ "each": [{ "use": "x", "k": { "each": [] } }] }] });
        assert_eq!(error(nested).0, "a[0].each[0].k.each");
        let many: Vec<Value> = (0..1000).map(Value::from).collect();
        let value = json!({ "a": { "each": many }, "b": { "each": many } });
        assert!(error(value).1.contains("more than"));
    }
}
