//! What a gateway works with at one time: a router, the upstreams, and which model is asked where.

use std::collections::BTreeMap;
use std::sync::Arc;

use router_core::{Constraints, Error, ErrorKind, Model, Request, Result, Router};

use crate::clients::Clients;
use crate::config::{AUTO, Api, PoolConfig, ServeConfig};
use crate::routed::Routed;
use crate::upstream::Upstream;

/// What a gateway works with at one time.
pub(crate) struct Live {
    pub(crate) config: ServeConfig,
    primary: Routed,
    candidate: Option<Routed>,
    pub(crate) clients: Clients,
    upstreams: Vec<Arc<Upstream>>,
    served: BTreeMap<String, Arc<Served>>,
}

/// Which of two routers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Which {
    Primary,
    Candidate,
}

/// A model and where it is asked.
pub(crate) struct Served {
    /// Its name, price, context window and tags.
    pub(crate) model: Model,
    /// Whether the router may choose it.
    pub(crate) is_routed: bool,
    /// Upstreams and the model's name there, in the order in which they are tried.
    places: Vec<(Arc<Upstream>, String)>,
}

impl Served {
    /// Where it is asked by `api`: upstreams and the model's name there, in the order in which they are tried.
    pub(crate) fn places(&self, api: Api) -> impl Iterator<Item = (&Arc<Upstream>, &String)> {
        let speaks = move |place: &&(Arc<Upstream>, String)| place.0.config.api.contains(&api);
        self.places.iter().filter(speaks).map(|(upstream, name)| (upstream, name))
    }

    /// The upstream that is tried first, by whatever interface.
    pub(crate) fn first(&self) -> Option<&Upstream> {
        self.places.first().map(|(upstream, _)| upstream.as_ref())
    }

    /// The interfaces that it can be asked by.
    pub(crate) fn apis(&self) -> Vec<Api> {
        Api::ALL.into_iter().filter(|&api| self.places(api).next().is_some()).collect()
    }
}

/// Who chooses the model of a request.
pub(crate) enum Chooser {
    /// The router, within constraints.
    Router(Request),
    /// The client, who named a model that the router does not know.
    Client(Arc<Served>, Request),
}

impl Live {
    /// Puts a router, perhaps a second one beside it, and a configuration together. Keys are read; nothing is connected yet.
    ///
    /// # Errors
    /// [`ErrorKind::Config`] with the field for a routed model that the router does not know, and if no model can be chosen; what
    /// upstreams report.
    pub(crate) async fn new(router: Router, candidate: Option<Router>, config: ServeConfig) -> Result<Self> {
        let upstreams = config
            .upstreams
            .iter()
            .map(|config| Upstream::new(config.clone()).map(Arc::new))
            .collect::<Result<Vec<_>>>()?;
        let mut served = BTreeMap::new();
        for (at, configured) in config.models.iter().enumerate() {
            let mut model = Model::new(configured.model.clone());
            if configured.routed {
                let index = router
                    .models()
                    .index_of(&configured.model)
                    .map_err(|error| error.at_field(format!("models[{at}].model")))?;
                if let Some(known) = router.models().get(index) {
                    model = known.clone();
                    model.context_window = configured.context_window.or(known.context_window);
                    model.tags.extend(configured.tags.iter().filter(|tag| !known.tags.contains(tag)).cloned());
                }
            } else {
                model.context_window = configured.context_window;
                model.tags.clone_from(&configured.tags);
            }
            model.input_usd_per_mtok = configured.input_usd_per_mtok.or(model.input_usd_per_mtok);
            model.output_usd_per_mtok = configured.output_usd_per_mtok.or(model.output_usd_per_mtok);
            let places = configured
                .served_by
                .iter()
                .filter_map(|place| {
                    let upstream = upstreams.iter().find(|upstream| upstream.config.name == place.upstream)?;
                    Some((Arc::clone(upstream), place.model.clone().unwrap_or_else(|| configured.model.clone())))
                })
                .collect();
            let is_routed = configured.routed;
            served.insert(configured.model.clone(), Arc::new(Served { model, is_routed, places }));
        }
        let primary = Routed::new(router, &served, &config).await?;
        let candidate = match candidate {
            Some(candidate) => {
                Some(Routed::new(candidate, &served, &config).await.map_err(|error| error.context("candidate"))?)
            }
            None if config.candidate.is_some() => {
                return Err(Error::new(ErrorKind::Config, "the candidate was not loaded").at_field("candidate.router"));
            }
            None => None,
        };
        let clients = Clients::new(&config.clients);
        Ok(Self { config, primary, candidate, clients, upstreams, served })
    }

    /// The router that decides where no candidate does.
    pub(crate) fn router(&self) -> &Router {
        self.primary.router()
    }

    /// Identity of that router.
    pub(crate) fn fingerprint(&self) -> &str {
        &self.primary.fingerprint
    }

    /// One of both; the primary one where there is no candidate.
    pub(crate) fn routed(&self, which: Which) -> &Routed {
        self.candidate.as_ref().filter(|_| which == Which::Candidate).unwrap_or(&self.primary)
    }

    /// Which router decides a request, and which one beside it, if one does. `draw` is uniform on [0, 1).
    pub(crate) fn deciding(&self, draw: f64) -> (Which, Option<Which>) {
        let Some(config) = self.config.candidate.as_ref().filter(|_| self.candidate.is_some()) else {
            return (Which::Primary, None);
        };
        let (decides, beside) =
            if draw < config.share { (Which::Candidate, Which::Primary) } else { (Which::Primary, Which::Candidate) };
        (decides, config.shadow.then_some(beside))
    }

    /// Those of `names` that are served.
    pub(crate) fn served_among(&self, names: &[String]) -> Vec<Arc<Served>> {
        names.iter().filter_map(|name| self.served.get(name)).cloned().collect()
    }

    /// What is known of the models that are served.
    pub(crate) fn models(&self) -> Vec<Model> {
        self.served.values().map(|served| served.model.clone()).collect()
    }

    pub(crate) fn upstreams(&self) -> impl Iterator<Item = &Upstream> {
        self.upstreams.iter().map(AsRef::as_ref)
    }

    /// The models that are served, by name.
    pub(crate) fn served(&self) -> impl Iterator<Item = &Arc<Served>> {
        self.served.values()
    }

    /// The model called `name`, if it is served.
    pub(crate) fn get(&self, name: &str) -> Option<&Arc<Served>> {
        self.served.get(name)
    }

    pub(crate) fn pools(&self) -> &[PoolConfig] {
        &self.config.pools
    }

    /// Who chooses the model of `request`, which asks by `api` for `name`: `auto`, a pool's name, or a model's.
    ///
    /// # Errors
    /// [`ErrorKind::UnknownModel`] for any other name; as [`Constraints::check`].
    pub(crate) fn chooser(&self, name: &str, api: Api, request: Request) -> Result<Chooser> {
        if let Some(served) = self.served.get(name)
            && !served.is_routed
            && served.places(api).next().is_some()
        {
            return Ok(Chooser::Client(Arc::clone(served), request));
        }
        if let Some(served) = self.served.get(name)
            && served.places(api).next().is_none()
        {
            return Err(Error::new(ErrorKind::UnknownModel, format!("`{name}` is not served by this interface"))
                .at_field("model")
                .help(format!(
                    "it is by {}",
                    served.apis().iter().map(|api| api.label()).collect::<Vec<_>>().join(", ")
                )));
        }
        let Request { prompt, constraints } = request;
        constraints.check(self.router().models())?;
        let constraints = if name == AUTO {
            constraints
        } else if self.served.contains_key(name) {
            within(constraints, Some(&[name.to_owned()]))
        } else if let Some(pool) = self.pools().iter().find(|pool| pool.name == name) {
            of_pool(constraints, pool)
        } else {
            let pools = self.pools().iter().map(|pool| pool.name.as_str());
            let known: Vec<&str> =
                [AUTO].into_iter().chain(pools).chain(self.served.keys().map(String::as_str)).collect();
            return Err(Error::new(ErrorKind::UnknownModel, format!("there is no model `{name}`"))
                .at_field("model")
                .help(format!("there are {}", known.join(", "))));
        };
        Ok(Chooser::Router(Request { prompt, constraints: self.without_unserved(constraints, api) }))
    }

    /// `constraints`, and no model that is not served, or not by `api`.
    fn without_unserved(&self, constraints: Constraints, api: Api) -> Constraints {
        let mut constraints = self.primary.known(constraints);
        let silent = self.served.values().filter(|served| served.is_routed && served.places(api).next().is_none());
        let new: Vec<String> = silent
            .map(|served| &served.model.name)
            .filter(|model| !constraints.unavailable_models.contains(model))
            .cloned()
            .collect();
        constraints.unavailable_models.extend(new);
        constraints
    }
}

/// `constraints`, and only `models` allowed.
fn within(mut constraints: Constraints, models: Option<&[String]>) -> Constraints {
    if let Some(models) = models {
        constraints.allowed_models = Some(match constraints.allowed_models {
            None => models.to_vec(),
            Some(allowed) => allowed.into_iter().filter(|model| models.contains(model)).collect(),
        });
    }
    constraints
}

/// `constraints` and those of `pool`, the stricter of two.
fn of_pool(constraints: Constraints, pool: &PoolConfig) -> Constraints {
    let mut constraints = within(constraints, pool.models.as_deref());
    let new = pool.required_tags.iter().filter(|tag| !constraints.required_tags.contains(tag));
    let new: Vec<String> = new.cloned().collect();
    constraints.required_tags.extend(new);
    let stricter = |a: Option<f64>, b: Option<f64>, pick: fn(f64, f64) -> f64| match (a, b) {
        (Some(a), Some(b)) => Some(pick(a, b)),
        (a, b) => a.or(b),
    };
    constraints.maximum_cost_usd = stricter(constraints.maximum_cost_usd, pool.maximum_cost_usd, f64::min);
    constraints.minimum_quality = stricter(constraints.minimum_quality, pool.minimum_quality, f64::max);
    constraints
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pool_only_narrows() {
        let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        let pool = PoolConfig {
            name: "p".to_owned(),
            models: Some(names(&["a", "b"])),
            required_tags: names(&["eu"]),
            maximum_cost_usd: Some(0.1),
            minimum_quality: Some(0.5),
        };
        let own = Constraints {
            allowed_models: Some(names(&["b", "c"])),
            required_tags: names(&["tools", "eu"]),
            maximum_cost_usd: Some(0.2),
            minimum_quality: Some(0.7),
            ..Constraints::default()
        };
        let both = of_pool(own, &pool);
        assert_eq!(both.allowed_models, Some(names(&["b"])));
        assert_eq!(both.required_tags, names(&["tools", "eu"]));
        assert_eq!((both.maximum_cost_usd, both.minimum_quality), (Some(0.1), Some(0.7)));
    }
}
