//! Clients: known by the hash of their keys, held to their budgets.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use hyper::StatusCode;
use hyper::header::{AUTHORIZATION, HeaderMap};
use sha2::{Digest as _, Sha256};
use subtle::{Choice, ConditionallySelectable as _, ConstantTimeEq as _};

use crate::config::ClientConfig;
use crate::error::Refusal;
use crate::records::now_milliseconds;
use crate::upstream::API_KEY;

const DAY: i64 = 86_400_000;

/// A client.
#[derive(Debug)]
pub(crate) struct Client {
    pub(crate) name: String,
    pub(crate) is_admin: bool,
    hash: [u8; 32],
    budget_usd: Option<f64>,
}

/// The clients of a configuration.
#[derive(Debug, Default)]
pub(crate) struct Clients(Vec<Arc<Client>>);

impl Clients {
    /// The clients of `configured`, whose hashes were checked.
    pub(crate) fn new(configured: &[ClientConfig]) -> Self {
        let client = |config: &ClientConfig| {
            Some(Arc::new(Client {
                name: config.name.clone(),
                is_admin: config.admin,
                hash: config.hash()?,
                budget_usd: config.daily_budget_usd,
            }))
        };
        Self(configured.iter().filter_map(client).collect())
    }

    /// Whose request it is, by its key in `Authorization: Bearer` or `x-api-key`; nobody's in particular where there are no clients.
    ///
    /// # Errors
    /// 401 without a key, or with that of nobody.
    pub(crate) fn of(&self, headers: &HeaderMap) -> Result<Option<Arc<Client>>, Refusal> {
        if self.is_empty() {
            return Ok(None);
        }
        let refused = |message| Refusal::new(StatusCode::UNAUTHORIZED, "invalid_api_key", message);
        let Some(key) = key(headers) else {
            return Err(refused("the request brings no key: Authorization: Bearer KEY"));
        };
        self.find(&key).map(Some).ok_or_else(|| refused("the key is nobody's"))
    }

    /// Whether everybody may ask.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Compares with every client in a time that does not depend on where, or whether, the key is found.
    fn find(&self, key: &[u8]) -> Option<Arc<Client>> {
        let hash: [u8; 32] = Sha256::digest(key).into();
        let mut found = u64::MAX;
        for (at, client) in self.0.iter().enumerate() {
            let is_it: Choice = client.hash.ct_eq(&hash);
            found = u64::conditional_select(&found, &(at as u64), is_it);
        }
        self.0.get(usize::try_from(found).ok()?).cloned()
    }
}

fn key(headers: &HeaderMap) -> Option<Vec<u8>> {
    let bearer = headers.get(AUTHORIZATION).and_then(|value| {
        let (scheme, key) = value.as_bytes().split_at_checked(7)?;
        scheme.eq_ignore_ascii_case(b"bearer ").then(|| key.trim_ascii().to_vec())
    });
    bearer.or_else(|| headers.get(API_KEY).map(|value| value.as_bytes().trim_ascii().to_vec()))
}

/// What clients spent today, by name. It outlives configurations.
#[derive(Debug, Default)]
pub(crate) struct Spending(Mutex<Today>);

#[derive(Debug, Default)]
struct Today {
    day: i64,
    usd: HashMap<String, f64>,
}

impl Today {
    /// The same, or a new day.
    fn at(&mut self, day: i64) -> &mut HashMap<String, f64> {
        if self.day != day {
            self.day = day;
            self.usd.clear();
        }
        &mut self.usd
    }
}

/// The beginning of today in UTC, in milliseconds since 1970.
pub(crate) fn midnight() -> i64 {
    now_milliseconds().div_euclid(DAY) * DAY
}

impl Spending {
    /// What was spent today so far.
    pub(crate) fn new(usd: HashMap<String, f64>) -> Self {
        Self(Mutex::new(Today { day: midnight() / DAY, usd }))
    }

    /// # Errors
    /// 429 if `client` has spent its budget of today, or what is under way for it will.
    pub(crate) fn check(&self, client: &Client) -> Result<(), Refusal> {
        let Some(budget) = client.budget_usd else { return Ok(()) };
        let now = now_milliseconds();
        let spent = self.with(now / DAY, |usd| usd.get(&client.name).copied().unwrap_or(0.0));
        if spent < budget {
            return Ok(());
        }
        let message = format!(
            "the budget of `{}`, {budget} US dollars a day, is spent; the next day begins at midnight UTC",
            client.name
        );
        let seconds = (DAY - now.rem_euclid(DAY)) / 1000 + 1;
        Err(Refusal::new(StatusCode::TOO_MANY_REQUESTS, "insufficient_quota", message).retry_after(seconds.into()))
    }

    /// Adds to what `client` spent today, or takes off what was expected and did not come.
    pub(crate) fn add(&self, client: &str, usd: f64) {
        self.with(now_milliseconds() / DAY, |spent| {
            let spent = spent.entry(client.to_owned()).or_default();
            // What was set aside yesterday and is given back today was never counted today.
            *spent = (*spent + usd).max(0.0);
        });
    }

    fn with<T>(&self, day: i64, work: impl FnOnce(&mut HashMap<String, f64>) -> T) -> T {
        work(self.0.lock().unwrap_or_else(PoisonError::into_inner).at(day))
    }
}

#[cfg(test)]
mod tests {
    use hyper::header::{HeaderName, HeaderValue};

    use super::*;

    fn client(name: &str, key: &str, budget: Option<f64>) -> ClientConfig {
        let hash = Sha256::digest(key).iter().fold(String::new(), |text, byte| text + &format!("{byte:02X}"));
        ClientConfig { name: name.to_owned(), key_sha256: hash, daily_budget_usd: budget, admin: false }
    }

    #[test]
    fn a_key_finds_its_client_and_no_other() {
        let clients = Clients::new(&[client("a", "key-a", None), client("b", "key-b", None)]);
        let of = |name: &'static str, value: &'static str| {
            clients.of(&HeaderMap::from_iter([(HeaderName::from_static(name), HeaderValue::from_static(value))]))
        };
        let name = |found: Result<Option<Arc<Client>>, Refusal>| found.unwrap().unwrap().name.clone();
        assert_eq!(name(of("authorization", "Bearer key-a")), "a");
        assert_eq!(name(of("authorization", "bearer  key-b ")), "b");
        assert_eq!(name(of("x-api-key", "key-b")), "b");
        for (header, value) in [
            ("authorization", "key-a"),
            ("authorization", "Bearer key-"),
            ("authorization", "Bearer "),
            ("x-api-key", ""),
        ] {
            assert_eq!(of(header, value).unwrap_err().status, StatusCode::UNAUTHORIZED, "{value}");
        }
        assert!(clients.of(&HeaderMap::new()).is_err());
        assert!(Clients::default().of(&HeaderMap::new()).unwrap().is_none(), "without clients everybody may ask");
    }

    #[test]
    fn a_budget_lasts_a_day() {
        let clients = Clients::new(&[client("a", "key-a", Some(1.0)), client("b", "key-b", None)]);
        let spending = Spending::new(HashMap::from([("a".to_owned(), 0.75)]));
        let (a, b) = (&clients.0[0], &clients.0[1]);
        assert!(spending.check(a).is_ok());
        spending.add("a", 0.25);
        spending.add("b", 1000.0);
        assert_eq!(spending.check(a).unwrap_err().status, StatusCode::TOO_MANY_REQUESTS);
        assert!(spending.check(b).is_ok());
        spending.add("a", -0.1);
        assert!(spending.check(a).is_ok());
        let mut today = Today { day: 5, usd: HashMap::from([("a".to_owned(), 3.0)]) };
        assert_eq!(today.at(5).len(), 1);
        assert!(today.at(6).is_empty());
    }
}
