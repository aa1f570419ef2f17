//! Which cells of a grid: `--filter`.

use router_core::{Error, ErrorKind, Result};

use super::Cell;

/// What a cell must be. Several hold together.
///
/// A filter is `FIELD=VALUE`, `FIELD!=VALUE`, or with `<`, `<=`, `>`, `>=` between numbers; anything else is a part of the cell's name.
#[derive(Debug, Clone, PartialEq)]
pub struct Filter {
    text: String,
    test: Test,
}

#[derive(Debug, Clone, PartialEq)]
enum Test {
    Holds(String),
    Compares { field: String, operator: Operator, value: String },
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Operator {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

/// Two letters before one, so that `<=` is not taken for `<`.
const OPERATORS: [(&str, Operator); 6] = [
    ("!=", Operator::NotEqual),
    ("<=", Operator::LessOrEqual),
    (">=", Operator::GreaterOrEqual),
    ("=", Operator::Equal),
    ("<", Operator::Less),
    (">", Operator::Greater),
];

impl Filter {
    /// Reads a filter. A comparison that holds for none of `cells` is a part of the name if it stands in one.
    ///
    /// # Errors
    /// [`ErrorKind::Usage`] for a field that no cell has, with those that there are, or a value that is no number where one is needed.
    pub fn parse(text: &str, cells: &[Cell]) -> Result<Self> {
        let holds = Self { text: text.to_owned(), test: Test::Holds(text.to_owned()) };
        // The first operator counts: a value may hold anything.
        let found = OPERATORS
            .iter()
            .filter_map(|(sign, operator)| {
                text.find(sign).map(|at| (at, std::cmp::Reverse(sign.len()), *sign, *operator))
            })
            .min_by_key(|(at, length, ..)| (*at, *length));
        let Some((at, _, sign, operator)) = found else { return Ok(holds) };
        let (field, value) = text.split_at(at);
        let value = value.get(sign.len()..).unwrap_or_default();
        let usage =
            |message: String, help: String| Err(Error::new(ErrorKind::Usage, message).at_field("--filter").help(help));
        if !cells.iter().any(|cell| cell.field(field).is_some()) {
            if cells.iter().any(|cell| cell.name().contains(text)) {
                return Ok(holds);
            }
            let mut known: Vec<&str> = cells.iter().flat_map(Cell::fields).map(|(name, _)| name).collect();
            known.sort_unstable();
            known.dedup();
            return usage(format!("no cell has a field `{field}`"), format!("the fields are {}", known.join(", ")));
        }
        let ordered = !matches!(operator, Operator::Equal | Operator::NotEqual);
        if ordered && value.parse::<f64>().is_err() {
            return usage(format!("`{value}` is not a number"), format!("{sign} compares numbers"));
        }
        let test = Test::Compares { field: field.to_owned(), operator, value: value.to_owned() };
        let compares = Self { text: text.to_owned(), test };
        // `seed=7 size=1` compares nothing with `7 size=1`: it is copied out of a name.
        let named = |cell: &Cell| cell.name().contains(text);
        let copied = !cells.iter().any(|cell| compares.matches(cell)) && cells.iter().any(named);
        Ok(if copied { holds } else { compares })
    }

    /// Whether `cell` is one of those meant. A cell without the field is not, whatever the comparison.
    pub fn matches(&self, cell: &Cell) -> bool {
        match &self.test {
            Test::Holds(text) => cell.name().contains(text.as_str()),
            Test::Compares { field, operator, value } => {
                let Some(found) = cell.field(field) else { return false };
                let numbers = found.parse::<f64>().ok().zip(value.parse::<f64>().ok());
                let equal = found == value || numbers.is_some_and(|(a, b)| a == b);
                match operator {
                    Operator::Equal => equal,
                    Operator::NotEqual => !equal,
                    Operator::Less => numbers.is_some_and(|(a, b)| a < b),
                    Operator::LessOrEqual => numbers.is_some_and(|(a, b)| a <= b),
                    Operator::Greater => numbers.is_some_and(|(a, b)| a > b),
                    Operator::GreaterOrEqual => numbers.is_some_and(|(a, b)| a >= b),
                }
            }
        }
    }
}

impl std::fmt::Display for Filter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.text)
    }
}
