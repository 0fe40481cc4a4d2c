"""requests-oauthlib against the server: code with PKCE for a public and a confidential client, refresh, client credentials."""

import requests
from oauthlib.oauth2 import BackendApplicationClient
from oauthlib.oauth2.rfc6749.errors import InvalidGrantError
from requests.auth import HTTPBasicAuth
from requests_oauthlib import OAuth2Session

from driver import approve, check, environment, metadata

here = environment()
known = metadata(here["issuer"])
basic = HTTPBasicAuth(here["web_id"], here["web_secret"])

session = OAuth2Session(here["web_id"], redirect_uri=here["redirect_uri"], scope=["notes"], pkce="S256")
url, _ = session.authorization_url(known["authorization_endpoint"])
token = session.fetch_token(known["token_endpoint"], authorization_response=approve(url), auth=basic)
check("code, confidential", token["scope"] == ["notes"], token)
first = token["refresh_token"]
token = session.refresh_token(known["token_endpoint"], refresh_token=first, auth=basic)
check("refresh", token["refresh_token"] != first, token)

public = OAuth2Session(here["app_id"], redirect_uri=here["app_redirect_uri"], scope=["notes"], pkce="S256")
url, _ = public.authorization_url(known["authorization_endpoint"])
answer = approve(url)
token = public.fetch_token(known["token_endpoint"], authorization_response=answer, include_client_id=True)
check("code, public", token["token_type"] == "Bearer", token)
try:
    public.fetch_token(known["token_endpoint"], authorization_response=answer, include_client_id=True)
    check("a code is good once", False, "it was taken twice")
except InvalidGrantError:
    pass
told = requests.post(
    known["introspection_endpoint"], data={"token": token["access_token"]}, auth=(here["api_id"], here["api_secret"]), timeout=10
).json()
check("the replay killed the token", told == {"active": False}, told)

robot = OAuth2Session(client=BackendApplicationClient(client_id=here["robot_id"], scope=["notes"]))
token = robot.fetch_token(known["token_endpoint"], client_id=here["robot_id"], client_secret=here["robot_secret"])
check("client credentials", token["scope"] == ["notes"], token)
answer = requests.post(
    known["revocation_endpoint"], data={"token": token["access_token"]}, auth=(here["robot_id"], here["robot_secret"]), timeout=10
)
check("revocation", answer.status_code == 200, answer.text)
