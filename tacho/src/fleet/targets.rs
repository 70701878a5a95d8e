//! Who is read: targets of the command line and of the configuration, and how a set of sources follows them.

use std::collections::BTreeMap;
use std::str::FromStr;
use std::time::Duration;

use anyhow::Context;
use tachometer::config::{Config, SourceConfig, SourceType, Span, TargetUrl};
use tachometer::limits::DEFAULT_SOURCE_TIME_LIMIT;
use tachometer::source::{PageSource, Source, Sources};

use super::known::Checked;

/// The label by which series say whose they are, as Prometheus calls it.
const INSTANCE: &str = "instance";

/// A target of the command line: `NAME=URL`, `URL`, or `HOST:PORT`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// What its series carry as `instance`.
    pub name: String,
    pub url: String,
}

impl FromStr for Target {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let named = text.split_once('=').filter(|(name, _)| !name.contains(['/', ':', '?']));
        let (name, place) = named.map_or((None, text), |(name, place)| (Some(name), place));
        let url = if place.contains("://") { place.to_owned() } else { format!("http://{place}") };
        let (scheme, rest) = url.split_once("://").unwrap_or_default();
        let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
        let host = authority.rsplit('@').next().unwrap_or_default();
        let name = name.unwrap_or(host).to_owned();
        let page = format!("{scheme}://{authority}/metrics");
        let url = if path.is_empty() { page } else { url.clone() };
        if name.is_empty() {
            return Err("write it as http://HOST:PORT, HOST:PORT or NAME=URL".to_owned());
        }
        PageSource::new(name.clone(), url.clone()).map_err(|error| error.to_string())?;
        Ok(Self { name, url })
    }
}

/// All targets, by name.
pub type Wanted = BTreeMap<String, SourceConfig>;

/// The targets of the command line and those of `config`, each with `interval` unless it has its own.
pub fn wanted(targets: &[Target], config: &Config, interval: Duration) -> anyhow::Result<Wanted> {
    let given = targets.iter().map(|target| {
        let page = SourceConfig {
            kind: Some(SourceType::Page),
            url: Some(TargetUrl::new(target.url.clone())),
            ..SourceConfig::default()
        };
        (target.name.clone(), page)
    });
    let configured = config.sources.iter().map(|(name, source)| (name.clone(), source.clone()));
    let mut wanted = Wanted::new();
    for (name, mut source) in given.chain(configured) {
        let every = source.interval.get_or_insert(Span(interval)).0;
        source.time_limit.get_or_insert(Span(every.min(DEFAULT_SOURCE_TIME_LIMIT)));
        source.source_label.get_or_insert(false);
        source.labels.entry(INSTANCE.to_owned()).or_insert_with(|| name.clone());
        anyhow::ensure!(
            wanted.insert(name.clone(), source).is_none(),
            "there are two targets of the name {name:?}; name one as NAME=URL"
        );
    }
    Ok(wanted)
}

/// Has `sources` poll what is wanted, and leaves those alone that stay as they are. What cannot be polled is left out, and
/// said. `now` is what is polled afterwards.
pub fn follow(
    sources: &Sources,
    now: &mut Wanted,
    wanted: &Wanted,
    checked: impl Fn(Box<dyn Source>) -> Checked,
) -> anyhow::Result<()> {
    now.retain(|name, known| {
        let stays = wanted.get(name) == Some(known);
        if !stays {
            sources.remove(name);
        }
        stays
    });
    let mut result = Ok(());
    for (name, config) in wanted {
        if now.contains_key(name) {
            continue;
        }
        let added =
            config.source(name).and_then(|(source, poll)| sources.add(checked(source), poll));
        match added {
            Ok(()) => drop(now.insert(name.clone(), config.clone())),
            Err(error) => {
                result =
                    result.and(Err(error).with_context(|| format!("target {name} cannot be read")));
            }
        }
    }
    result
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets_are_read_as_people_write_them() {
        let read = |text: &str| text.parse::<Target>().map(|target| (target.name, target.url));
        let expected = |name: &str, url: &str| Ok((name.to_owned(), url.to_owned()));
        assert_eq!(read("a:9464"), expected("a:9464", "http://a:9464/metrics"));
        assert_eq!(read("http://a:1/x?b=c"), expected("a:1", "http://a:1/x?b=c"));
        assert_eq!(read("n1=http://a:1"), expected("n1", "http://a:1/metrics"));
        assert_eq!(read("n1=a:1/"), expected("n1", "http://a:1/metrics"));
        assert!(read("").is_err() && read("=a:1").is_err() && read("ftp://a").is_err());
    }

    #[test]
    fn two_of_a_name_are_refused() {
        let config = Config::parse("[sources.n1]\ntype = \"page\"\nurl = \"http://b:1/\"").unwrap();
        let targets = ["n1=a:1".parse().unwrap()];
        let error = wanted(&targets, &config, Duration::from_secs(5)).unwrap_err();
        assert!(error.to_string().contains("\"n1\""), "{error}");
    }
}
