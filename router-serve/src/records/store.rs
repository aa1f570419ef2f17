//! Records, written and read.

use std::collections::HashMap;

use router_core::{Error, ErrorKind, Model, Result};
use uuid::Uuid;

use super::connection::{Connection, Value};
use super::postgres::Postgres;
use super::record::now_milliseconds;
use super::schema;
use super::sqlite::Sqlite;
use super::{Address, Attempt, Feedback, Record};

/// A decision that is kept already changes nothing: what is written again after a lost connection is written once.
const INSERT_DECISION: &str = "INSERT INTO router_decisions (id, time_ms, surface, asked_for, router, model, instead_of, propensity, \
    eligible, task, score, expected_cost_usd, attempts, answered_by, upstream, status, outcome, input_tokens, output_tokens, cost_usd, \
    decision_us, first_byte_ms, total_ms, client, charged_usd, prompt) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, \
    $18, $19, $20, $21, $22, $23, $24, $25, $26) ON CONFLICT (id) DO NOTHING";

const SELECT_DECISIONS: &str = "SELECT d.id, d.surface, d.asked_for, d.router, d.model, d.instead_of, d.propensity, d.eligible, d.task, \
    d.score, d.expected_cost_usd, d.attempts, d.answered_by, d.upstream, d.status, d.outcome, d.input_tokens, d.output_tokens, \
    d.cost_usd, d.decision_us, d.first_byte_ms, d.total_ms, d.client, d.charged_usd, d.prompt, f.quality, s.router, s.model \
    FROM router_decisions d LEFT JOIN router_feedback f ON f.decision = d.id LEFT JOIN router_shadows s ON s.decision = d.id WHERE d.time_ms >= $1 ORDER BY d.time_ms, d.id";

/// Changes one row where the decision is known, the last word counting, and none where it is not.
const INSERT_FEEDBACK: &str = "INSERT INTO router_feedback (decision, time_ms, quality, comment) \
    SELECT id, CAST($2 AS BIGINT), CAST($3 AS DOUBLE PRECISION), CAST($4 AS TEXT) FROM router_decisions WHERE id = $1 \
    ON CONFLICT (decision) DO UPDATE SET time_ms = excluded.time_ms, quality = excluded.quality, comment = excluded.comment";

const INSERT_MODEL: &str = "INSERT INTO router_models (model, input_usd_per_mtok, output_usd_per_mtok, context_window, tags) \
    VALUES ($1, $2, $3, $4, $5) ON CONFLICT (model) DO UPDATE SET input_usd_per_mtok = excluded.input_usd_per_mtok, \
    output_usd_per_mtok = excluded.output_usd_per_mtok, context_window = excluded.context_window, tags = excluded.tags";

const SELECT_MODELS: &str =
    "SELECT model, input_usd_per_mtok, output_usd_per_mtok, context_window, tags FROM router_models ORDER BY model";

const INSERT_SHADOW: &str =
    "INSERT INTO router_shadows (decision, router, model) VALUES ($1, $2, $3) ON CONFLICT (decision) DO NOTHING";

const SELECT_CHARGED: &str = "SELECT client, SUM(charged_usd) FROM router_decisions \
    WHERE time_ms >= $1 AND client IS NOT NULL AND charged_usd IS NOT NULL GROUP BY client";

/// Something to write.
#[derive(Debug, Clone)]
pub(super) enum Entry {
    Decision(Box<Record>),
    Feedback(Feedback),
    Shadow(Uuid, Shadow),
}

/// What another router chose beside the one that decided.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shadow {
    /// Its fingerprint.
    pub router: String,
    /// The model that it would have asked first.
    pub model: String,
}

/// A decision as it was kept, and how good its answer was, if somebody said so.
#[derive(Debug, Clone, PartialEq)]
pub struct Recorded {
    /// The decision.
    pub record: Record,
    /// The quality of its answer, in [0, 1].
    pub quality: Option<f64>,
    /// What another router chose, where there was one.
    pub shadow: Option<Shadow>,
}

/// The records at an address.
pub struct Records {
    connection: Box<dyn Connection>,
}

impl Records {
    /// Opens the records at `address` to write them. A file is made, and a schema brought to this release's version.
    ///
    /// # Errors
    /// What the database reports; [`ErrorKind::Incompatible`] if a newer release wrote them.
    pub fn open(address: &Address) -> Result<Self> {
        let mut connection: Box<dyn Connection> = match address {
            Address::Sqlite(path) => Box::new(Sqlite::open(path)?),
            Address::Postgres(config) => Box::new(Postgres::open((**config).clone())?),
        };
        schema::migrate(&mut *connection)?;
        Ok(Self { connection })
    }

    /// Opens the records at `address` to read them; nothing is made or changed.
    ///
    /// # Errors
    /// What the database reports; [`ErrorKind::Incompatible`] if another release wrote them.
    pub fn open_to_read(address: &Address) -> Result<Self> {
        let mut connection: Box<dyn Connection> = match address {
            Address::Sqlite(path) => Box::new(Sqlite::open_to_read(path)?),
            Address::Postgres(config) => Box::new(Postgres::open((**config).clone())?),
        };
        let version = schema::version(&mut *connection)?;
        if version != schema::VERSION {
            let found = format!(
                "{address}: the records have version {version} of their schema; this release reads {}",
                schema::VERSION
            );
            return Err(Error::new(ErrorKind::Incompatible, found)
                .help("a gateway of this release brings older ones up to date"));
        }
        Ok(Self { connection })
    }

    /// Writes `entries` in one transaction: on return they outlive a crash. Says of each feedback, in order, whether its decision is known.
    pub(super) fn write<'a>(&mut self, entries: impl Iterator<Item = &'a Entry> + Clone) -> Result<Vec<bool>> {
        let decisions: Vec<Vec<Value>> = entries
            .clone()
            .filter_map(|entry| if let Entry::Decision(record) = entry { Some(row_of(record)) } else { None })
            .collect();
        let shadows: Vec<Vec<Value>> = entries
            .clone()
            .filter_map(|entry| if let Entry::Shadow(id, shadow) = entry { Some((id, shadow)) } else { None })
            .map(|(id, shadow)| vec![id.to_string().into(), shadow.router.clone().into(), shadow.model.clone().into()])
            .collect();
        let now = now_milliseconds();
        let feedback: Vec<Vec<Value>> = entries
            .filter_map(|entry| if let Entry::Feedback(feedback) = entry { Some(feedback) } else { None })
            .map(|said| {
                vec![said.decision_id.to_string().into(), now.into(), said.quality.into(), said.comment.clone().into()]
            })
            .collect();
        self.transaction(|connection| {
            connection.execute(INSERT_DECISION, &decisions)?;
            connection.execute(INSERT_SHADOW, &shadows)?;
            let changed = connection.execute(INSERT_FEEDBACK, &feedback)?;
            Ok(changed.into_iter().map(|changed| changed > 0).collect())
        })
    }

    /// Keeps what is known of `models`, prices above all.
    pub(super) fn write_models(&mut self, models: &[Model]) -> Result<()> {
        let rows: Vec<Vec<Value>> = models
            .iter()
            .map(|model| {
                vec![
                    model.name.clone().into(),
                    model.input_usd_per_mtok.into(),
                    model.output_usd_per_mtok.into(),
                    model.context_window.map(i64::from).into(),
                    json(&model.tags).into(),
                ]
            })
            .collect();
        self.transaction(|connection| connection.execute(INSERT_MODEL, &rows).map(drop))
    }

    fn transaction<T>(&mut self, work: impl FnOnce(&mut dyn Connection) -> Result<T>) -> Result<T> {
        let connection = &mut *self.connection;
        let done =
            connection.begin().and_then(|()| work(connection)).and_then(|done| connection.commit().map(|()| done));
        if done.is_err() {
            connection.recover();
        }
        done
    }

    /// The models that gateways served, by name, with the prices that they had last.
    ///
    /// # Errors
    /// What the database reports.
    pub fn models(&mut self) -> Result<Vec<Model>> {
        let mut models = Vec::new();
        self.connection.query(SELECT_MODELS, &[], &mut |row| {
            let [name, input, output, window, tags] = row else { return Err(unreadable("models")) };
            models.push(Model {
                input_usd_per_mtok: input.real(),
                output_usd_per_mtok: output.real(),
                context_window: window.integer().and_then(|window| u32::try_from(window).ok()),
                tags: list(tags)?,
                ..Model::new(name.text().unwrap_or_default())
            });
            Ok(())
        })?;
        Ok(models)
    }

    /// What was charged to each client since `since` (milliseconds since 1970), in US dollars.
    ///
    /// # Errors
    /// What the database reports.
    pub fn charged(&mut self, since: i64) -> Result<HashMap<String, f64>> {
        let mut charged = HashMap::new();
        self.connection.query(SELECT_CHARGED, &[since.into()], &mut |row| {
            let [client, usd] = row else { return Err(unreadable("decisions")) };
            charged.insert(client.text().unwrap_or_default().to_owned(), usd.real().unwrap_or_default());
            Ok(())
        })?;
        Ok(charged)
    }

    /// Gives every decision from `since` on (milliseconds since 1970) to `each`, in the order of time.
    ///
    /// # Errors
    /// What the database reports, and `each`; [`ErrorKind::Data`] for a row that no gateway wrote.
    pub fn each(&mut self, since: i64, each: &mut dyn FnMut(Recorded) -> Result<()>) -> Result<()> {
        self.connection.query(SELECT_DECISIONS, &[since.into()], &mut |row| each(recorded(row)?))
    }
}

fn json(value: &impl serde::Serialize) -> String {
    // Texts and numbers are always JSON.
    serde_json::to_string(value).unwrap_or_default()
}

fn row_of(record: &Record) -> Vec<Value> {
    let count = |count: Option<u64>| Value::from(count.map(|count| i64::try_from(count).unwrap_or(i64::MAX)));
    vec![
        record.id.to_string().into(),
        record.time_milliseconds().into(),
        record.surface.as_str().into(),
        record.asked_for.as_str().into(),
        record.router.clone().into(),
        record.model.as_str().into(),
        record.instead_of.clone().into(),
        record.propensity.into(),
        json(&record.eligible).into(),
        record.task.map(i64::from).into(),
        record.score.into(),
        record.expected_cost_usd.into(),
        json(&record.attempts).into(),
        record.answered_by.clone().into(),
        record.upstream.clone().into(),
        i64::from(record.status).into(),
        record.outcome.as_str().into(),
        count(record.input_tokens),
        count(record.output_tokens),
        record.cost_usd.into(),
        count(record.decision_microseconds),
        record.first_byte_milliseconds.into(),
        record.milliseconds.into(),
        record.client.clone().into(),
        record.charged_usd.into(),
        record.prompt.clone().into(),
    ]
}

fn recorded(row: &[Value]) -> Result<Recorded> {
    let [
        id,
        surface,
        asked_for,
        router,
        model,
        instead_of,
        propensity,
        eligible,
        task,
        score,
        expected_cost_usd,
        attempts,
        answered_by,
        upstream,
        status,
        outcome,
        input_tokens,
        output_tokens,
        cost_usd,
        decision_us,
        first_byte_ms,
        total_ms,
        client,
        charged_usd,
        prompt,
        quality,
        shadow_router,
        shadow_model,
    ] = row
    else {
        return Err(unreadable("decisions"));
    };
    let text = |value: &Value| value.text().map(str::to_owned);
    let must = |value: &Value| text(value).ok_or_else(|| unreadable("decisions"));
    let count = |value: &Value| value.integer().and_then(|count| u64::try_from(count).ok());
    let record = Record {
        id: id.text().and_then(|id| Uuid::parse_str(id).ok()).ok_or_else(|| unreadable("decisions"))?,
        surface: must(surface)?,
        asked_for: must(asked_for)?,
        router: text(router),
        model: must(model)?,
        instead_of: text(instead_of),
        propensity: propensity.real().ok_or_else(|| unreadable("decisions"))?,
        eligible: list(eligible)?,
        task: task.integer().and_then(|task| u32::try_from(task).ok()),
        score: score.real(),
        expected_cost_usd: expected_cost_usd.real(),
        attempts: list::<Attempt>(attempts)?,
        answered_by: text(answered_by),
        upstream: text(upstream),
        status: status.integer().and_then(|status| u16::try_from(status).ok()).unwrap_or_default(),
        outcome: must(outcome)?,
        input_tokens: count(input_tokens),
        output_tokens: count(output_tokens),
        cost_usd: cost_usd.real(),
        decision_microseconds: count(decision_us),
        first_byte_milliseconds: first_byte_ms.real(),
        milliseconds: total_ms.real().unwrap_or_default(),
        client: text(client),
        charged_usd: charged_usd.real(),
        prompt: text(prompt),
    };
    let shadow = text(shadow_router).zip(text(shadow_model)).map(|(router, model)| Shadow { router, model });
    Ok(Recorded { record, quality: quality.real(), shadow })
}

fn list<T: serde::de::DeserializeOwned>(value: &Value) -> Result<Vec<T>> {
    value.text().and_then(|text| serde_json::from_str(text).ok()).ok_or_else(|| unreadable("a list"))
}

fn unreadable(what: &str) -> Error {
    Error::new(ErrorKind::Data, format!("a row of {what} that no gateway wrote"))
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub(in crate::records) fn record(prompt: Option<&str>) -> Record {
        Record {
            id: Uuid::now_v7(),
            surface: "chat".to_owned(),
            asked_for: "auto".to_owned(),
            router: Some("0123456789abcdef".to_owned()),
            model: "a".to_owned(),
            instead_of: Some("b".to_owned()),
            propensity: 0.05,
            eligible: vec!["a".to_owned(), "b".to_owned()],
            task: Some(3),
            score: Some(0.5),
            expected_cost_usd: Some(0.001),
            attempts: vec![Attempt {
                model: "a".to_owned(),
                upstream: "u".to_owned(),
                outcome: "timeout".to_owned(),
                milliseconds: 1.5,
            }],
            answered_by: Some("b".to_owned()),
            upstream: None,
            status: 200,
            outcome: "answered".to_owned(),
            input_tokens: Some(10),
            output_tokens: None,
            cost_usd: Some(2.0),
            decision_microseconds: Some(70),
            first_byte_milliseconds: None,
            milliseconds: 12.25,
            client: Some("team".to_owned()),
            charged_usd: Some(2.5),
            prompt: prompt.map(str::to_owned),
        }
    }

    fn said(decision_id: Uuid, quality: f64) -> Entry {
        Entry::Feedback(Feedback { decision_id, quality, comment: None })
    }

    fn all(records: &mut Records) -> Vec<Recorded> {
        let mut all = Vec::new();
        let mut take = |recorded| {
            all.push(recorded);
            Ok(())
        };
        records.each(0, &mut take).unwrap();
        all
    }

    /// What is written is read, by either database.
    pub(in crate::records) fn written_and_read(address: &Address) {
        let mut records = Records::open(address).unwrap();
        let (first, second) = (record(Some("\"What?\"")), record(None));
        let shadow = Shadow { router: "fedcba9876543210".to_owned(), model: "b".to_owned() };
        let entries = [
            said(first.id, 0.25),
            Entry::Decision(Box::new(first.clone())),
            Entry::Decision(Box::new(second.clone())),
            Entry::Shadow(second.id, shadow.clone()),
            said(Uuid::now_v7(), 0.5),
            said(first.id, 0.75),
        ];
        assert_eq!(records.write(entries.iter()).unwrap(), [true, false, true]);
        // Written again, as after a lost connection, it is there once; and the last word on it counts.
        assert_eq!(records.write(entries.iter()).unwrap(), [true, false, true]);
        let model = Model {
            context_window: Some(1000),
            tags: vec!["tools".to_owned()],
            ..Model::new("a").with_price(1.0, 2.0)
        };
        records.write_models(&[Model::new("a"), Model::new("b")]).unwrap();
        records.write_models(std::slice::from_ref(&model)).unwrap();
        drop(records);
        let mut records = Records::open_to_read(address).unwrap();
        assert_eq!(records.models().unwrap(), [model, Model::new("b")]);
        assert_eq!(records.charged(first.time_milliseconds()).unwrap(), HashMap::from([("team".to_owned(), 5.0)]));
        assert!(records.charged(i64::MAX).unwrap().is_empty());
        let kept = [
            Recorded { record: first, quality: Some(0.75), shadow: None },
            Recorded { record: second.clone(), quality: None, shadow: Some(shadow) },
        ];
        assert_eq!(all(&mut records), kept);
        let since = second.time_milliseconds() + 1;
        records.each(since, &mut |_| panic!("later than all")).unwrap();
    }

    #[test]
    fn sqlite_keeps_what_is_written() {
        let directory = tempfile::TempDir::new().unwrap();
        written_and_read(&Address::Sqlite(directory.path().join("records.sqlite")));
    }

    #[test]
    fn what_is_no_store_of_records_says_so() {
        let directory = tempfile::TempDir::new().unwrap();
        let path = directory.path().join("records.sqlite");
        let kind = |address: &Address| Records::open_to_read(address).err().unwrap().kind();
        assert_eq!(kind(&Address::Sqlite(path.clone())), ErrorKind::Io);
        std::fs::write(&path, "not SQLite at all".repeat(100)).unwrap();
        assert_eq!(kind(&Address::Sqlite(path.clone())), ErrorKind::Data);
        std::fs::remove_file(&path).unwrap();
        Records::open(&Address::Sqlite(path.clone())).unwrap();
        rusqlite::Connection::open(&path).unwrap().execute("UPDATE router_schema SET version = 1000", []).unwrap();
        assert_eq!(kind(&Address::Sqlite(path.clone())), ErrorKind::Incompatible);
        let error = Records::open(&Address::Sqlite(path)).err().unwrap();
        assert!(error.to_string().contains("version 1000"), "{error}");
    }
}
