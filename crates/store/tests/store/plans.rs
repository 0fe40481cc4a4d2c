//! No look-up of the hot paths walks through a table: what SQLite plans for each statement that was really run.

use std::collections::BTreeSet;
use std::sync::Mutex;

use curfew_policy::lifetime::{AccessTokenPlan, LifetimeRules};
use curfew_protocol::{
    Audiences, DEFAULT_TENANT, LinkProofId, ProviderId, ScopeSet, UpstreamLoginId,
};
use curfew_store::audit::{AuthenticatedBy, Origin};
use curfew_store::links::Subject;
use curfew_store::mint::ClientTokenMint;
use diesel::connection::{Instrumentation, InstrumentationEvent, set_default_instrumentation};
use diesel::prelude::*;
use diesel::sql_types::Text;

use crate::support::{Backend, TestStore, chain};

static STATEMENTS: Mutex<BTreeSet<String>> = Mutex::new(BTreeSet::new());

fn recorder() -> Option<Box<dyn Instrumentation>> {
    Some(Box::new(|event: InstrumentationEvent<'_>| {
        if let InstrumentationEvent::StartQuery { query, .. } = event {
            let text = query.to_string();
            let statement = text.split(" -- binds").next().unwrap_or_default();
            STATEMENTS.lock().unwrap().insert(statement.to_owned());
        }
    }))
}

#[test]
fn no_statement_of_the_hot_paths_scans_a_table() {
    let test = TestStore::new(Backend::Sqlite);
    let (user, client) = (test.user("ada"), test.client("app"));
    let chain = chain(&test, user, client, true);
    let api = test.write(|write| {
        write.resource_server_insert(DEFAULT_TENANT, "api", "https://api.example", "API")
    });
    set_default_instrumentation(recorder).unwrap();
    // Only connections opened from now on are watched.
    let store = test.open_again(|_| {}).unwrap();
    STATEMENTS.lock().unwrap().clear();

    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    let mint = ClientTokenMint {
        client,
        client_epoch: 1,
        plan: AccessTokenPlan {
            rules: LifetimeRules::default(),
            asked: None,
            client: None,
            scopes: Vec::new(),
        },
        scopes: ScopeSet::default(),
        audiences: Audiences::default(),
        origin: Origin::default(),
        authenticated_by: AuthenticatedBy::Nobody,
    };
    runtime.block_on(async {
        let facts = store.introspection_facts("api", Some(chain.token)).await;
        let facts = facts.unwrap();
        assert_eq!(facts.caller.unwrap().key, api.0);
        assert_eq!(facts.token.unwrap().id, chain.token);
        store.introspection_facts("api", None).await.unwrap();
        store.client_by_client_id("app").await.unwrap().unwrap();
        store.tenant_catalogue(DEFAULT_TENANT).await.unwrap();
        store.mint_client_token(mint).await.unwrap().unwrap();
    });
    store
        .read_blocking(|read| {
            read.user_by_username(DEFAULT_TENANT, "ada")?.unwrap();
            read.user_by_email_key(DEFAULT_TENANT, "ada@harbour.example")?;
            read.tenant_by_slug("default")?.unwrap();
            read.resource_server_by_resource_id("api")?.unwrap();
            read.code_challenge_is_of_another_session("challenge", chain.session)?;
            read.session(chain.session)?.unwrap();
            read.token_chain(chain.token)?.unwrap();
            let subject = Subject {
                issuer: "https://idp.example".to_owned(),
                subject: "1".to_owned(),
            };
            let provider = ProviderId::from_bytes([1; 16]);
            read.link_by_subject(provider, &subject)?;
            read.links_of_user(user)?;
            read.provider_by_slug(DEFAULT_TENANT, "google")?;
            read.upstream_login(UpstreamLoginId::from_bytes([1; 16]))?;
            read.link_proof(LinkProofId::from_bytes([1; 16]))?;
            Ok(())
        })
        .unwrap();
    #[derive(QueryableByName)]
    struct Step {
        #[diesel(sql_type = Text)]
        detail: String,
    }
    let statements: Vec<String> = STATEMENTS.lock().unwrap().iter().cloned().collect();
    let selects = statements.iter().filter(|text| text.starts_with("SELECT"));
    let mut connection = SqliteConnection::establish(&test.path().to_string_lossy()).unwrap();
    let mut seen = 0;
    for statement in selects {
        let plan: Vec<Step> = diesel::sql_query(format!("EXPLAIN QUERY PLAN {statement}"))
            .load(&mut connection)
            .unwrap();
        for step in plan {
            let detail = step.detail;
            assert!(!detail.starts_with("SCAN"), "{detail}: {statement}");
        }
        seen += 1;
    }
    assert!(seen >= 16, "only {seen} statements were seen");
}
