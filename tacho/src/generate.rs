//! `tacho generate`: files for Grafana and Prometheus, of the bundles that come with tachometer.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, bail};
use clap::{Args, Subcommand};
use tachometer::catalogue;
use tachometer::declare::Bundle;
use tachometer::generate::{self, Scrape};

#[derive(Clone, Debug, Subcommand)]
pub enum GenerateCommand {
    /// Write dashboards for Grafana, to be imported or provisioned.
    Grafana(Files),
    /// Write rule files for Prometheus: what bundles derive, and their alerts.
    Rules(Files),
    /// Write a configuration for Prometheus, and the rule files that it reads.
    Prometheus(PrometheusFiles),
}

#[derive(Clone, Debug, Args)]
pub struct Files {
    /// A bundle by its name (`raft`, `event_store`), or several by what their names begin with (`hotstuff`)
    /// [default: all].
    #[arg(long = "bundle", value_name = "NAME")]
    pub bundles: Vec<String>,

    /// The folder to write into; it is made if it is not there.
    #[arg(long, value_name = "DIR")]
    pub out: PathBuf,
}

#[derive(Clone, Debug, Args)]
pub struct PrometheusFiles {
    #[command(flatten)]
    pub files: Files,

    /// Who is scraped.
    #[arg(long = "target", value_name = "HOST:PORT", default_value = "127.0.0.1:9464")]
    pub targets: Vec<String>,

    /// How often.
    #[arg(long, value_name = "DURATION", default_value = "5s", value_parser = humantime::parse_duration)]
    pub interval: Duration,
}

/// Writes the files, and says which.
pub fn run(command: &GenerateCommand) -> anyhow::Result<String> {
    match command {
        GenerateCommand::Grafana(files) => {
            let dashboards = generate::grafana(&files.chosen()?);
            let texts = dashboards.iter().map(|dashboard| -> anyhow::Result<(String, String)> {
                Ok((
                    dashboard.file_name(),
                    serde_json::to_string_pretty(&dashboard.to_json())? + "\n",
                ))
            });
            write_all(&files.out, texts.collect::<anyhow::Result<_>>()?)
        }
        GenerateCommand::Rules(files) => write_all(&files.out, rule_files(&files.chosen()?, "")?),
        GenerateCommand::Prometheus(PrometheusFiles { files, targets, interval }) => {
            let mut texts = rule_files(&files.chosen()?, "rules/")?;
            let scrape = Scrape::new(targets.clone()).interval(*interval);
            let scrape =
                texts.iter().fold(scrape, |scrape, (path, _)| scrape.rule_file(path.clone()));
            texts.push(("prometheus.yml".to_owned(), scrape.to_yaml()?));
            write_all(&files.out, texts)
        }
    }
}

fn rule_files(bundles: &[Bundle], folder: &str) -> anyhow::Result<Vec<(String, String)>> {
    let files = generate::rules(bundles)?;
    Ok(files.iter().map(|file| (format!("{folder}{}", file.name()), file.to_yaml())).collect())
}

impl Files {
    fn chosen(&self) -> anyhow::Result<Vec<Bundle>> {
        let all = catalogue::declarations();
        let is_meant =
            |bundle: &Bundle, name: &str| bundle.id().starts_with(&name.to_ascii_lowercase());
        if let Some(unknown) =
            self.bundles.iter().find(|name| !all.iter().any(|bundle| is_meant(bundle, name)))
        {
            let known: Vec<_> = all.iter().map(Bundle::id).collect();
            bail!("there is no bundle {unknown:?}; there are {}", known.join(", "));
        }
        let is_chosen = |bundle: &Bundle| {
            // A whole name means that one alone.
            let is_exact = |name: &String| all.iter().any(|other| other.id() == *name);
            let meant = |name: &String| match is_exact(name) {
                true => bundle.id() == *name,
                false => is_meant(bundle, name),
            };
            self.bundles.is_empty() || self.bundles.iter().any(meant)
        };
        Ok(all.iter().filter(|bundle| is_chosen(bundle)).cloned().collect())
    }
}

fn write_all(folder: &Path, texts: Vec<(String, String)>) -> anyhow::Result<String> {
    let mut said = String::new();
    for (name, text) in texts {
        let path = folder.join(name);
        let parent = path.parent().unwrap_or(folder);
        fs::create_dir_all(parent)
            .with_context(|| format!("{} cannot be made", parent.display()))?;
        fs::write(&path, text).with_context(|| format!("{} cannot be written", path.display()))?;
        said += &format!("{}\n", path.display());
    }
    Ok(said)
}
