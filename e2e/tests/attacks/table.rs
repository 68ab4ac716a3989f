//! The attacks: what is done to a good token, and what each door has to answer.
//!
//! After RFC 8725 (JSON Web Token Best Current Practices), RFC 7515 and 7519,
//! RFC 7523 (assertions), RFC 8414 and OpenID Connect Discovery.

use crate::doors::{Answer, Door};
use crate::draft::Draft;

mod algorithms;
mod claims;
mod confusion;
mod encodings;
mod keys;
mod times;

pub(crate) struct Attack {
    pub(crate) name: &'static str,
    pub(crate) make: Box<dyn Fn(&mut Draft<'_>)>,
    token_endpoint: Option<Answer>,
    resources: Option<Answer>,
    backend: Option<Answer>,
    service_bus: Option<Answer>,
    graph: Option<Answer>,
}

/// An attack that is for no door yet.
fn attack(name: &'static str, make: impl Fn(&mut Draft<'_>) + 'static) -> Attack {
    Attack {
        name,
        make: Box::new(make),
        token_endpoint: None,
        resources: None,
        backend: None,
        service_bus: None,
        graph: None,
    }
}

impl Attack {
    /// The answer that is expected of a door; nothing where it is no attack there.
    pub(crate) fn expected(&self, door: Door) -> Option<Answer> {
        match door {
            Door::TokenEndpoint => self.token_endpoint.clone(),
            Door::ServiceBus if self.service_bus.is_some() => self.service_bus.clone(),
            Door::Graph if self.graph.is_some() => self.graph.clone(),
            Door::Backend => self.backend.clone(),
            Door::KeyVault | Door::Blob | Door::Cosmos | Door::ServiceBus | Door::Graph => {
                self.resources.clone()
            }
        }
    }

    /// Shut everywhere: the AADSTS code, the gate's, and 401 from the backend.
    fn shut(self, aadsts: u32, gate: &str) -> Self {
        self.shut_at_token_endpoint(aadsts)
            .shut_at_resources(gate)
            .shut_at_backend()
    }

    fn shut_at_token_endpoint(mut self, aadsts: u32) -> Self {
        self.token_endpoint = Some(Answer::Shut(aadsts.to_string()));
        self
    }

    fn shut_at_resources(mut self, gate: &str) -> Self {
        self.resources = Some(Answer::Shut(gate.to_owned()));
        self
    }

    fn shut_at_backend(mut self) -> Self {
        self.backend = Some(Answer::Shut("caller_unauthenticated".to_owned()));
        self
    }

    /// The token is sound, and its bearer is not the one.
    fn forbidden_at_backend(mut self) -> Self {
        self.backend = Some(Answer::Shut("caller_forbidden".to_owned()));
        self
    }

    /// What is wrong elsewhere is right there.
    fn open_at_graph(mut self) -> Self {
        self.graph = Some(Answer::Open);
        self
    }

    /// Too long for a header; where it comes in a body, it is refused as such.
    fn unread_in_a_header(mut self, gate: &str) -> Self {
        self.service_bus = Some(Answer::Shut(gate.to_owned()));
        self.resources = Some(Answer::Unread);
        self
    }

    /// No attack: what is there has no meaning for anybody.
    fn open(mut self) -> Self {
        self.token_endpoint = Some(Answer::Open);
        self.resources = Some(Answer::Open);
        self.backend = Some(Answer::Open);
        self
    }
}

pub(crate) fn attacks() -> Vec<Attack> {
    let good = attack("a good token opens it", |_| {}).open();
    [
        vec![good],
        algorithms::attacks(),
        keys::attacks(),
        claims::attacks(),
        times::attacks(),
        encodings::attacks(),
        confusion::attacks(),
    ]
    .into_iter()
    .flatten()
    .collect()
}
