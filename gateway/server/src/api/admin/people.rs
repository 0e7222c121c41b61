//! Operators, merchants' staff, and how they are invited.

use actix_web::web::{Data, Json, Path, ServiceConfig};
use actix_web::{HttpResponse, delete, get, patch, post};
use chrono::{DateTime, Utc};
use plugin_sdk::{InvitationId, MerchantId, PersonId};
use secrecy::ExposeSecret;
use serde::{Deserialize, Serialize};
use store::{Invitation, Person};
use utoipa::ToSchema;

use super::caller::Caller;
use super::{Admin, List, now, read_id};
use crate::access::people::Invited;
use crate::access::roles::Role;
use crate::api::problem::Problem;

pub fn configure(config: &mut ServiceConfig) {
    config
        .service(list_operators)
        .service(list_operator_invitations)
        .service(invite_operator)
        .service(revoke_operator_invitation)
        .service(change_operator)
        .service(remove_operator)
        .service(list_staff)
        .service(list_staff_invitations)
        .service(invite_staff)
        .service(revoke_staff_invitation)
        .service(change_staff)
        .service(remove_staff);
}

#[derive(Debug, Serialize, ToSchema)]
pub struct PersonView {
    id: String,
    email: String,
    name: String,
    role: String,
    second_factor: bool,
    /// When a session of theirs was last in use.
    seen_at: Option<DateTime<Utc>>,
    created_at: DateTime<Utc>,
}

#[derive(Debug, Serialize, ToSchema)]
pub struct OpenInvitationView {
    id: String,
    email: String,
    role: String,
    invited_by: String,
    expires_at: DateTime<Utc>,
    created_at: DateTime<Utc>,
    /// The link, shown this once: send it to the person.
    #[serde(skip_serializing_if = "Option::is_none")]
    url: Option<String>,
}

impl From<Invitation> for OpenInvitationView {
    fn from(invitation: Invitation) -> Self {
        Self {
            id: invitation.id.to_string(),
            email: invitation.email,
            role: invitation.role,
            invited_by: invitation.invited_by,
            expires_at: invitation.expires_at,
            created_at: invitation.created_at,
            url: None,
        }
    }
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct InvitationBody {
    #[schema(example = "bob@example.com")]
    email: String,
    role: Role,
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RoleBody {
    role: Role,
}

impl Admin {
    async fn views(&self, people: Vec<(Person, String)>) -> Result<Vec<PersonView>, Problem> {
        let ids: Vec<PersonId> = people.iter().map(|(person, _)| person.id).collect();
        let seen = self.store.last_seen(&ids).await?;
        let views = people.into_iter().map(|(person, role)| PersonView {
            seen_at: seen.iter().find(|(id, _)| *id == person.id).map(|(_, at)| *at),
            id: person.id.to_string(),
            email: person.email,
            name: person.name,
            role,
            second_factor: person.factor_sealed.is_some(),
            created_at: person.created_at,
        });
        Ok(views.collect())
    }

    async fn invite(
        &self,
        merchant: Option<MerchantId>,
        body: &InvitationBody,
        caller: &Caller,
    ) -> Result<HttpResponse, Problem> {
        let invited = self
            .people
            .invite(merchant, &body.email, body.role, caller.name())
            .await?;
        let Invited { invitation, token } = invited;
        let mut view = OpenInvitationView::from(invitation);
        view.url = Some(format!("{}/invitations/{}", self.url, token.expose_secret()));
        Ok(HttpResponse::Created().json(view))
    }

    async fn open_invitations(&self, merchant: Option<MerchantId>) -> Result<Json<List<OpenInvitationView>>, Problem> {
        let open = self.store.invitations(merchant, now(self)).await?;
        Ok(Json(List::whole(open.into_iter().map(Into::into).collect())))
    }
}

/// The operators, oldest first.
#[utoipa::path(context_path = "/admin/v1", tag = "people",
    responses((status = 200, body = List<PersonView>), (status = "4XX", body = Problem)))]
#[get("/people")]
pub async fn list_operators(admin: Data<Admin>) -> Result<Json<List<PersonView>>, Problem> {
    let people = admin.store.operators().await?.into_iter();
    let people = people.map(|person| {
        let role = person.operator_role.clone().unwrap_or_default();
        (person, role)
    });
    Ok(Json(List::whole(admin.views(people.collect()).await?)))
}

/// Open invitations among the operators.
#[utoipa::path(context_path = "/admin/v1", tag = "people",
    responses((status = 200, body = List<OpenInvitationView>), (status = "4XX", body = Problem)))]
#[get("/people/invitations")]
pub async fn list_operator_invitations(admin: Data<Admin>) -> Result<Json<List<OpenInvitationView>>, Problem> {
    admin.open_invitations(None).await
}

/// Invites an owner, operator or auditor. The link opens for seven days, once.
#[utoipa::path(context_path = "/admin/v1", tag = "people", request_body = InvitationBody,
    responses((status = 201, body = OpenInvitationView), (status = "4XX", body = Problem)))]
#[post("/people/invitations")]
pub async fn invite_operator(
    admin: Data<Admin>,
    caller: Caller,
    body: Json<InvitationBody>,
) -> Result<HttpResponse, Problem> {
    admin.invite(None, &body, &caller).await
}

/// Takes an invitation back.
#[utoipa::path(context_path = "/admin/v1", tag = "people", params(("invitation" = String, Path)),
    responses((status = 204), (status = "4XX", body = Problem)))]
#[delete("/people/invitations/{invitation}")]
pub async fn revoke_operator_invitation(admin: Data<Admin>, path: Path<String>) -> Result<HttpResponse, Problem> {
    let id: InvitationId = read_id(&path, "this invitation")?;
    admin.store.revoke_invitation(None, id, now(&admin)).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// Gives an operator another role. The last owner stays one.
#[utoipa::path(context_path = "/admin/v1", tag = "people", params(("person" = String, Path)), request_body = RoleBody,
    responses((status = 204), (status = "4XX", body = Problem)))]
#[patch("/people/{person}")]
pub async fn change_operator(
    admin: Data<Admin>,
    path: Path<String>,
    body: Json<RoleBody>,
) -> Result<HttpResponse, Problem> {
    let id: PersonId = read_id(&path, "this person")?;
    admin.operator(id).await?;
    admin.people.change_operator(id, Some(body.role)).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// Takes somebody out of the operators; what they are at merchants stays.
#[utoipa::path(context_path = "/admin/v1", tag = "people", params(("person" = String, Path)),
    responses((status = 204), (status = "4XX", body = Problem)))]
#[delete("/people/{person}")]
pub async fn remove_operator(admin: Data<Admin>, path: Path<String>) -> Result<HttpResponse, Problem> {
    let id: PersonId = read_id(&path, "this person")?;
    admin.operator(id).await?;
    admin.people.change_operator(id, None).await?;
    Ok(HttpResponse::NoContent().finish())
}

impl Admin {
    /// Merchants' staff are not operators, and are not found among them.
    async fn operator(&self, id: PersonId) -> Result<Person, Problem> {
        let person = self.store.person(id).await?;
        if person.operator_role.is_none() {
            return Err(Problem::not_found("this person"));
        }
        Ok(person)
    }
}

/// The merchant's staff, oldest first.
#[utoipa::path(context_path = "/admin/v1", tag = "people", params(("merchant" = String, Path)),
    responses((status = 200, body = List<PersonView>), (status = "4XX", body = Problem)))]
#[get("/merchants/{merchant}/people")]
pub async fn list_staff(admin: Data<Admin>, path: Path<String>) -> Result<Json<List<PersonView>>, Problem> {
    let merchant = admin.merchant(&path).await?;
    let staff = admin.store.staff(merchant.id).await?;
    Ok(Json(List::whole(admin.views(staff).await?)))
}

/// Open invitations to the merchant.
#[utoipa::path(context_path = "/admin/v1", tag = "people", params(("merchant" = String, Path)),
    responses((status = 200, body = List<OpenInvitationView>), (status = "4XX", body = Problem)))]
#[get("/merchants/{merchant}/people/invitations")]
pub async fn list_staff_invitations(
    admin: Data<Admin>,
    path: Path<String>,
) -> Result<Json<List<OpenInvitationView>>, Problem> {
    let merchant = admin.merchant(&path).await?;
    admin.open_invitations(Some(merchant.id)).await
}

/// Invites somebody to the merchant. The link opens for seven days, once.
#[utoipa::path(context_path = "/admin/v1", tag = "people", params(("merchant" = String, Path)),
    request_body = InvitationBody,
    responses((status = 201, body = OpenInvitationView), (status = "4XX", body = Problem)))]
#[post("/merchants/{merchant}/people/invitations")]
pub async fn invite_staff(
    admin: Data<Admin>,
    caller: Caller,
    path: Path<String>,
    body: Json<InvitationBody>,
) -> Result<HttpResponse, Problem> {
    let merchant = admin.merchant(&path).await?;
    admin.invite(Some(merchant.id), &body, &caller).await
}

/// Takes an invitation back.
#[utoipa::path(context_path = "/admin/v1", tag = "people",
    params(("merchant" = String, Path), ("invitation" = String, Path)),
    responses((status = 204), (status = "4XX", body = Problem)))]
#[delete("/merchants/{merchant}/people/invitations/{invitation}")]
pub async fn revoke_staff_invitation(
    admin: Data<Admin>,
    path: Path<(String, String)>,
) -> Result<HttpResponse, Problem> {
    let merchant = admin.merchant(&path.0).await?;
    let id: InvitationId = read_id(&path.1, "this invitation")?;
    admin
        .store
        .revoke_invitation(Some(merchant.id), id, now(&admin))
        .await?;
    Ok(HttpResponse::NoContent().finish())
}

/// Gives somebody another role at the merchant.
#[utoipa::path(context_path = "/admin/v1", tag = "people",
    params(("merchant" = String, Path), ("person" = String, Path)), request_body = RoleBody,
    responses((status = 204), (status = "4XX", body = Problem)))]
#[patch("/merchants/{merchant}/people/{person}")]
pub async fn change_staff(
    admin: Data<Admin>,
    path: Path<(String, String)>,
    body: Json<RoleBody>,
) -> Result<HttpResponse, Problem> {
    let merchant = admin.merchant(&path.0).await?;
    let id: PersonId = read_id(&path.1, "this person")?;
    if body.role.is_operator() {
        return Err(Problem::invalid("role", "role: is admin, developer, support or viewer"));
    }
    admin.store.change_member(merchant.id, id, body.role.as_str()).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// Ends somebody's membership; they open nothing of the merchant within a second, on every node.
#[utoipa::path(context_path = "/admin/v1", tag = "people",
    params(("merchant" = String, Path), ("person" = String, Path)),
    responses((status = 204), (status = "4XX", body = Problem)))]
#[delete("/merchants/{merchant}/people/{person}")]
pub async fn remove_staff(admin: Data<Admin>, path: Path<(String, String)>) -> Result<HttpResponse, Problem> {
    let merchant = admin.merchant(&path.0).await?;
    let id: PersonId = read_id(&path.1, "this person")?;
    admin.store.remove_member(merchant.id, id).await?;
    Ok(HttpResponse::NoContent().finish())
}
