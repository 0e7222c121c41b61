//! The name of a settlement file: `QIWI_<service_id>_YYYYMMDDn.csv` (`protocols/terminal.md` §9.9).

use chrono::NaiveDate;
use plugin_sdk::SettlementError;

use crate::moscow;

const PREFIX: &str = "QIWI_";
/// §9.10: the payers' personal data, another file of the same shape.
const PAYER_PREFIX: &str = "QIWI_PAYER_";
const SUFFIX: &str = ".csv";

#[derive(Debug, PartialEq, Eq)]
pub struct FileName<'a> {
    pub service_id: &'a str,
    /// The reporting day.
    pub day: NaiveDate,
}

impl<'a> FileName<'a> {
    /// `None` for a name of another shape: the contract may agree on any.
    pub fn read(path: &'a str) -> Result<Option<Self>, SettlementError> {
        let name = path.rsplit(['/', '\\']).next().unwrap_or(path);
        if name.starts_with(PAYER_PREFIX) {
            let message = "this is the registry of payers, not of payments; give the file QIWI_<service id>_… instead";
            return Err(SettlementError::File(message.to_owned()));
        }
        Ok(Self::read_shape(name))
    }

    fn read_shape(name: &'a str) -> Option<Self> {
        let (service_id, digits) = name.strip_prefix(PREFIX)?.strip_suffix(SUFFIX)?.rsplit_once('_')?;
        let serial = digits.get(8..)?;
        if service_id.is_empty() || serial.is_empty() || !serial.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        let day = moscow::read_date(digits.get(..4)?, digits.get(4..6)?, digits.get(6..8)?)?;
        Some(Self { service_id, day })
    }
}
