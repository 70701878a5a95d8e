//! The group of a Pushgateway: labels in the path
//! (<https://github.com/prometheus/pushgateway#url>).

use crate::url::{Url, base64, percent_encode};

/// A job, and further labels.
#[derive(Clone, Debug)]
pub(super) struct Group(Vec<(String, String)>);

impl Group {
    pub(super) fn of(job: String) -> Group {
        Group(vec![("job".to_owned(), job)])
    }

    pub(super) fn add(&mut self, name: String, value: String) {
        self.0.push((name, value));
    }

    /// The URL of the group at the gateway at `base`.
    ///
    /// # Errors
    /// Which label cannot be one, and why.
    pub(super) fn at(&self, mut base: Url) -> Result<Url, String> {
        if base.query.is_some() {
            return Err("a Pushgateway's URL has no query; leave it out".to_owned());
        }
        base.path.truncate(base.path.trim_end_matches('/').len());
        if base.path.contains("/metrics/job") {
            return Err(
                "give the gateway's URL as far as its port: the group is added to it".into()
            );
        }
        base.path.push_str("/metrics");
        for (at, (name, value)) in self.0.iter().enumerate() {
            let first = |byte: u8| byte.is_ascii_alphabetic() || byte == b'_';
            let good = name.bytes().next().is_some_and(first)
                && name.bytes().all(|byte| first(byte) || byte.is_ascii_digit());
            if !good || name.starts_with("__") {
                return Err(format!("{name:?} is not a label's name"));
            }
            if self.0[..at].iter().any(|(other, _)| other == name) {
                return Err(format!("the label {name:?} is given twice"));
            }
            if value.is_empty() && at == 0 {
                return Err("the job must not be empty".to_owned());
            }
            base.path.push('/');
            base.path.push_str(name);
            if value.is_empty() {
                base.path.push_str("@base64/=");
            } else if value.contains('/') || matches!(value.as_str(), "." | "..") {
                // A slash, encoded or not, would end the segment; dots would be taken as steps.
                base.path.push_str("@base64/");
                base64(value.as_bytes(), true, &mut base.path);
            } else {
                base.path.push('/');
                percent_encode(value, &mut base.path);
            }
        }
        Ok(base)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(base: &str, labels: &[(&str, &str)]) -> Result<String, String> {
        let labels = labels.iter().map(|(name, value)| ((*name).into(), (*value).into()));
        Group(labels.collect()).at(Url::parse(base).unwrap()).map(|url| url.to_string())
    }

    #[test]
    fn labels_become_a_path() {
        let path = at("http://g:9091", &[("job", "batch"), ("instance", "a b:1")]);
        assert_eq!(path.unwrap(), "http://g:9091/metrics/job/batch/instance/a%20b%3A1");
        // The examples of Pushgateway's documentation.
        let path = at("http://g/p/", &[("job", "directory_cleaner"), ("path", "/var/tmp")]);
        assert_eq!(
            path.unwrap(),
            "http://g:80/p/metrics/job/directory_cleaner/path@base64/L3Zhci90bXA="
        );
        let path = at("http://g", &[("job", "titan"), ("name", "Προμηθεύς"), ("e", "")]);
        let encoded = "%CE%A0%CF%81%CE%BF%CE%BC%CE%B7%CE%B8%CE%B5%CF%8D%CF%82";
        let wanted = format!("http://g:80/metrics/job/titan/name/{encoded}/e@base64/=");
        assert_eq!(path.unwrap(), wanted);
    }

    #[test]
    fn what_is_no_group() {
        for labels in [
            &[("job", "")][..],
            &[("job", "a"), ("job", "b")],
            &[("job", "a"), ("x-y", "b")],
            &[("job", "a"), ("", "b")],
            &[("job", "a"), ("__x", "b")],
        ] {
            assert!(at("http://g", labels).is_err(), "{labels:?}");
        }
        assert!(at("http://g/metrics/job/x", &[("job", "a")]).is_err());
        assert!(at("http://g/?x", &[("job", "a")]).is_err());
    }
}
