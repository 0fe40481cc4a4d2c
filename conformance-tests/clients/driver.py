"""What the Python clients share. The test that runs them plays the person: it is told a URL and answers with where the browser ended up."""

import json
import os
import secrets
import sys
import urllib.request

os.environ["AUTHLIB_INSECURE_TRANSPORT"] = "1"  # the issuer is a loopback address
os.environ["OAUTHLIB_INSECURE_TRANSPORT"] = "1"
os.environ["no_proxy"] = "*"


def environment():
    return json.loads(os.environ["CURFEW_TEST"])


def metadata(issuer):
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(issuer + "/.well-known/oauth-authorization-server", timeout=10) as answer:
        known = json.load(answer)
    check("issuer", known["issuer"] == issuer, known)
    return known


def approve(url):
    print("AUTHORIZE " + url, flush=True)
    return sys.stdin.readline().strip()


def approve_device(link):
    print("DEVICE " + link, flush=True)
    check("approval", sys.stdin.readline().strip() == "approved", link)


def verifier():
    return secrets.token_urlsafe(48)


def check(what, fine, told):
    if not fine:
        sys.exit(f"{what}: {told}")
    print(f"ok {what}", flush=True)
