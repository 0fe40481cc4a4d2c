"""Authlib against the server: code with PKCE, refresh, client credentials, introspection, revocation."""

from authlib.integrations.base_client import OAuthError
from authlib.integrations.requests_client import OAuth2Session

from driver import approve, approve_device, check, environment, metadata, verifier

here = environment()
known = metadata(here["issuer"])

secret = verifier()
session = OAuth2Session(
    here["web_id"], here["web_secret"], scope="notes", redirect_uri=here["redirect_uri"], code_challenge_method="S256"
)
url, state = session.create_authorization_url(known["authorization_endpoint"], code_verifier=secret)
token = session.fetch_token(known["token_endpoint"], authorization_response=approve(url), state=state, code_verifier=secret)
check("code", token["token_type"] == "Bearer" and token["scope"] == "notes", token)

api = OAuth2Session(here["api_id"], here["api_secret"])
told = api.introspect_token(known["introspection_endpoint"], token=token["access_token"]).json()
check("introspection", told["active"] is True and told["client_id"] == here["web_id"], told)

first = token["access_token"]
token = session.refresh_token(known["token_endpoint"], refresh_token=token["refresh_token"])
check("refresh", token["access_token"] != first, token)

answer = session.revoke_token(known["revocation_endpoint"], token=token["refresh_token"], token_type_hint="refresh_token")
check("revocation", answer.status_code == 200, answer.text)
told = api.introspect_token(known["introspection_endpoint"], token=token["access_token"]).json()
check("dead after revocation", told == {"active": False}, told)

robot = OAuth2Session(here["robot_id"], here["robot_secret"], scope="notes")
token = robot.fetch_token(known["token_endpoint"], grant_type="client_credentials")
check("client credentials", token["expires_in"] == 600, token)

posting = OAuth2Session(here["robot_id"], here["robot_secret"], token_endpoint_auth_method="client_secret_post")
check("client_secret_post", "access_token" in posting.fetch_token(known["token_endpoint"], grant_type="client_credentials"), "")

device = OAuth2Session(here["tv_id"], token_endpoint_auth_method="none")
asked = device.request("POST", known["device_authorization_endpoint"], withhold_token=True, data={"client_id": here["tv_id"], "scope": "notes"}).json()
grant = "urn:ietf:params:oauth:grant-type:device_code"
try:
    device.fetch_token(known["token_endpoint"], grant_type=grant, device_code=asked["device_code"])
    check("pending", False, "a token before the approval")
except OAuthError as error:
    check("pending", error.error == "authorization_pending", error)
approve_device(asked["verification_uri_complete"])
token = device.fetch_token(known["token_endpoint"], grant_type=grant, device_code=asked["device_code"])
check("device", token["scope"] == "notes", token)
