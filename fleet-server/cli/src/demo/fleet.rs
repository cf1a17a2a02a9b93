//! What the demo asks the server about its fleet.

use std::collections::BTreeMap;

use dunlin_protocol::ModelRef;
use serde_json::{Value, json};

use super::wait::Look;
use crate::{
    client::Api,
    output::{self, field, list},
};

/// Devices that are online, and how many there are.
pub async fn online(api: &Api, wanted: usize) -> anyhow::Result<Look<()>> {
    let devices: Value = api.get("/devices?limit=10000").await?;
    let online =
        list(&devices, "devices").iter().filter(|device| field(device, "/status") == "online").count();
    Ok(if online >= wanted { Look::Done(()) } else { Look::NotYet(format!("{online} of {wanted}")) })
}

/// Which model each device says it serves.
async fn serving(api: &Api) -> anyhow::Result<BTreeMap<String, String>> {
    let devices: Value = api.get("/devices?limit=10000").await?;
    let of = |device: &Value| (field(device, "/id"), output::model(device.pointer("/state/serving/0/model")));
    Ok(list(&devices, "devices").iter().map(of).collect())
}

/// Done when every device serves this model.
pub async fn all_serve(api: &Api, model: &ModelRef, wanted: usize) -> anyhow::Result<Look<()>> {
    let serving = serving(api).await?;
    let there = serving.values().filter(|name| **name == model.to_string()).count();
    Ok(if there >= wanted && there == serving.len() {
        Look::Done(())
    } else {
        Look::NotYet(format!("{there} of {} devices", serving.len()))
    })
}

/// How many windows the server has stored for a model.
pub async fn answers(api: &Api, model: &ModelRef) -> anyhow::Result<Look<()>> {
    let drift: Value = api.get(&format!("/drift?model={}", model.name)).await?;
    Ok(if list(&drift, "cells").is_empty() { Look::NotYet("no windows yet".into()) } else { Look::Done(()) })
}

/// Begins a rollout and returns its id.
pub async fn roll_out(api: &Api, model: &ModelRef) -> anyhow::Result<String> {
    let rollout = api.post("/rollouts", &json!({"model": model.to_string(), "waves": "quick"})).await?;
    Ok(field(&rollout, "/id"))
}

/// Done when a rollout has reached one of these phases; gives the rollout.
pub async fn rollout_is(api: &Api, id: &str, phases: &[&str]) -> anyhow::Result<Look<Value>> {
    let rollout: Value = api.get(&format!("/rollouts/{id}")).await?;
    let phase = field(&rollout, "/phase");
    Ok(if phases.contains(&phase.as_str()) {
        Look::Done(rollout)
    } else {
        Look::NotYet(crate::command::rollout::line(&rollout))
    })
}

/// Done when an open alert says that this device's sensor is broken; gives its message.
pub async fn sensor_fault(api: &Api, device: &str, feature: &str) -> anyhow::Result<Look<String>> {
    let alerts: Value = api.get("/alerts?state=open").await?;
    let alerts = list(&alerts, "alerts");
    let wanted = [("/kind", "sensor-fault"), ("/device", device), ("/feature", feature)];
    let fits = |alert: &&Value| wanted.iter().all(|(path, value)| field(alert, path) == *value);
    Ok(match alerts.iter().find(fits) {
        Some(alert) => Look::Done(field(alert, "/message")),
        None => Look::NotYet(format!("{} open alerts, none about {feature} on {device}", alerts.len())),
    })
}
