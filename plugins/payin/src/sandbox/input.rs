//! Fields of requests, as the tables of §4 and §5 have them.

use std::collections::BTreeMap;

use super::json::Node;
use super::model::Split;
use super::money::Sum;
use super::refusal::{Refusal, invalid};
use super::site::Switches;

/// D-4: of texts without a limit of their own, in the strict simulator.
const FREE_TEXT_MAX: usize = 1_024;
const CALLBACK_MAX: usize = 256;

/// A request's body with the strictness that it is read by.
pub struct Input<'a> {
    pub body: &'a Node,
    pub switches: &'a Switches,
}

impl Input<'_> {
    pub fn sum(&self, field: &str) -> Result<Sum, Refusal> {
        let node = self.body.at(field);
        if node.is_null() {
            return Err(invalid(field, "must not be null"));
        }
        Sum::read(node, self.switches.strict_digits, self.switches.strict_lengths).map_err(|text| invalid(field, text))
    }

    /// A text that may be absent.
    pub fn text(&self, field: &str, max: usize) -> Result<Option<String>, Refusal> {
        self.text_of(self.body.at(field), field, max)
    }

    pub fn text_of(&self, node: &Node, field: &str, max: usize) -> Result<Option<String>, Refusal> {
        if node.is_null() {
            return Ok(None);
        }
        let text = node.text().ok_or_else(|| invalid(field, "must be a string"))?;
        if self.switches.strict_lengths && text.chars().count() > max {
            return Err(invalid(field, &format!("size must be between 0 and {max}")));
        }
        Ok(Some(text.to_owned()))
    }

    pub fn flags(&self) -> Vec<String> {
        let named = ["flags", "paymentFlags"];
        let flags = named.iter().flat_map(|name| self.body.at(name).list());
        flags.filter_map(Node::text).map(str::to_owned).collect()
    }

    pub fn callback(&self, node: &Node, field: &str) -> Result<Option<String>, Refusal> {
        let Some(url) = self.text_of(node, field, CALLBACK_MAX)? else {
            return Ok(None);
        };
        let takes = url.starts_with("https://") || (!self.switches.strict_urls && url.starts_with("http://"));
        if takes {
            Ok(Some(url))
        } else {
            Err(invalid(field, "must be an https address"))
        }
    }

    pub fn custom(&self) -> Result<BTreeMap<String, String>, Refusal> {
        let fields = self.body.at("customFields").members();
        let read = fields.filter_map(
            |(name, node)| match self.text_of(node, &format!("customFields.{name}"), 256) {
                Ok(text) => text.map(|text| Ok((name.clone(), text))),
                Err(refusal) => Some(Err(refusal)),
            },
        );
        read.collect()
    }

    /// The lengths of §4.1 to §4.3, in the strict simulator.
    pub fn check_people(&self) -> Result<(), Refusal> {
        let limits: [(&str, &[(&str, usize)]); 3] = [
            ("customer", &[("account", 64), ("email", 64), ("phone", 15)]),
            (
                "address",
                &[
                    ("country", 1_000),
                    ("city", 1_000),
                    ("region", 1_000),
                    ("details", 1_000),
                ],
            ),
            (
                "receiverData",
                &[
                    ("pan", 19),
                    ("wallet", 64),
                    ("inn", 12),
                    ("phone", 15),
                    ("bankAccount", 20),
                    ("bic", 9),
                ],
            ),
        ];
        for (object, fields) in limits {
            let node = self.body.at(object);
            if !node.is_null() && !node.is_object() {
                return Err(invalid(object, "must be an object"));
            }
            for (field, max) in fields {
                self.text_of(node.at(field), &format!("{object}.{field}"), *max)?;
            }
        }
        for (name, node) in self.body.at("deviceData").members() {
            if node.text().is_some() {
                self.text_of(node, &format!("deviceData.{name}"), FREE_TEXT_MAX)?;
            }
        }
        Ok(())
    }

    /// §15: the parts make the whole.
    pub fn splits(&self, field: &str, whole: &Sum) -> Result<Vec<Split>, Refusal> {
        let items = self.body.at(field).list();
        let mut read = Vec::with_capacity(items.len());
        let mut sum = 0;
        for item in items {
            if item.at("type").text() != Some("MERCHANT_DETAILS") {
                return Err(invalid(field, "type must be MERCHANT_DETAILS"));
            }
            let amount = Sum::read(item.at("splitAmount"), self.switches.strict_digits, false)
                .map_err(|text| invalid(&format!("{field}.splitAmount"), text))?;
            if amount.currency != "RUB" || amount.currency != whole.currency {
                return Err(invalid(field, "splits are in RUB only"));
            }
            sum += amount.cents;
            let site = item.at("siteUid").text().filter(|site| !site.is_empty());
            read.push(Split {
                site: site
                    .ok_or_else(|| invalid(field, "siteUid must not be empty"))?
                    .to_owned(),
                amount,
                order_id: item.at("orderId").text().map(str::to_owned),
                comment: item.at("comment").text().map(str::to_owned),
            });
        }
        if !read.is_empty() && sum != whole.cents {
            return Err(invalid(field, "the sum of splits must equal the amount"));
        }
        Ok(read)
    }

    /// §14: whether there is a receipt, if it is a whole one.
    pub fn cheque(&self) -> Result<bool, Refusal> {
        let cheque = self.body.at("cheque");
        if cheque.is_null() {
            return Ok(false);
        }
        let named = |node: &Node, names: &[&str]| node.text().is_some_and(|text| names.contains(&text));
        let missing = |field: &str| invalid(&format!("cheque.{field}"), "is missing or wrong");
        if !matches!(cheque.at("sellerId"), Node::Number(_)) {
            return Err(missing("sellerId"));
        }
        if !named(
            cheque.at("chequeType"),
            &["COLLECT", "COLLECT_RETURN", "CONSUME", "CONSUME_RETURN"],
        ) {
            return Err(missing("chequeType"));
        }
        if !named(
            cheque.at("taxSystem"),
            &["OSN", "USN", "USN_MINUS_CONSUM", "ENVD", "ESN", "PATENT"],
        ) {
            return Err(missing("taxSystem"));
        }
        if cheque.at("customerContact").text().is_none() {
            return Err(missing("customerContact"));
        }
        let positions = cheque.at("positions").list();
        if positions.is_empty() {
            return Err(missing("positions"));
        }
        for position in positions {
            let price = position.at("price");
            let priced = matches!(price, Node::Number(_)) || Sum::read(price, false, false).is_ok();
            let texts = ["tax", "description", "paymentMethod", "paymentSubject"];
            let whole = texts.iter().all(|name| position.at(name).text().is_some());
            if !priced || !whole || !matches!(position.at("quantity"), Node::Number(_)) {
                return Err(missing("positions"));
            }
        }
        Ok(true)
    }
}
