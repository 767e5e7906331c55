"""This module tests metadata deployment: a bare org becomes usable by what is in the zip, and only by it."""

from __future__ import annotations

import io
import json
import zipfile

import pytest

from connectors.salesforce.package.archive import archive
from tests.integration.sandbox.salesforce.rig import USERNAME, Outsider

XML = '<?xml version="1.0" encoding="UTF-8"?>\n<{0} xmlns="http://soap.sforce.com/2006/04/metadata">{1}</{0}>'
OBJECT = (
    "<deploymentStatus>Deployed</deploymentStatus><label>Ticket</label><pluralLabel>Tickets</pluralLabel>"
    "<nameField><label>Name</label><type>Text</type></nameField><sharingModel>ReadWrite</sharingModel>"
)
TEXT = "<fields><fullName>{}</fullName><label>Text</label><length>20</length><type>Text</type></fields>"
DUPLICATE_CHILDREN = "".join(
    f"<fields><fullName>{name}</fullName><referenceTo>Account</referenceTo>"
    "<relationshipName>Tickets</relationshipName><type>Lookup</type></fields>"
    for name in ("A__c", "B__c")
)


@pytest.fixture
def bare(outsider):
    """Give an org without anything of the integration's, and its integration user."""
    outsider.control("POST", "bare")
    token = outsider.control("POST", "sessions", {"username": USERNAME})["access_token"]
    outsider.http.headers["Authorization"] = f"Bearer {token}"
    return outsider


@pytest.fixture
def admin(bare):
    """Give an administrator of the bare org."""
    token = bare.control("POST", "sessions", {"username": "admin@acme.example", "admin": True})[
        "access_token"
    ]
    client = Outsider(bare.address, token)
    yield client
    client.http.close()


def packed(**files):
    """Return a zip; `__` in a name stands for the slash, the last `_` before an ending for the dot."""
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as file:
        for name, content in files.items():
            file.writestr(name, content)
    return made.getvalue()


def a_zip(files, members=()):
    types = "".join(f"<types><members>{name}</members><name>{kind}</name></types>" for kind, name in members)
    return packed(**{"package.xml": XML.format("Package", types), **files})


def an_object(body=OBJECT, name="Ticket__c"):
    return {f"objects/{name}.object": XML.format("CustomObject", body)}


def deploy(client, content, **options):
    """Deploy, look until it is done, and return the result."""
    body = {"deployOptions": {"rollbackOnError": True, "singlePackage": True, **options}}
    parts = {
        "json": (None, json.dumps(body), "application/json"),
        "file": ("deploy.zip", content, "application/zip"),
    }
    begun = client.call("POST", "/metadata/deployRequest", files=parts)
    assert begun.status_code == 201, begun.text
    where = f"/metadata/deployRequest/{begun.json()['id']}"
    first = client.get(where).json()["deployResult"]
    assert (first["done"], first["status"]) == (False, "InProgress")
    return client.get(where, params={"includeDetails": "true"}).json()["deployResult"]


def problems(result):
    return [failure["problem"] for failure in result["details"]["componentFailures"]]


def test_a_bare_org_has_nothing_of_the_integration(bare):
    assert bare.get("/sobjects/Payment__c/describe").status_code == 404
    names = {field["name"] for field in bare.get("/sobjects/Account/describe").json()["fields"]}
    assert "Name" in names
    assert not {name for name in names if name.endswith("__c")}
    assert bare.get("/actions/custom/flow").json()["actions"] == []


def test_our_package_makes_a_bare_org_usable(bare, admin):
    result = deploy(admin, archive())
    assert (result["status"], problems(result)) == ("Succeeded", [])
    assert result["numberComponentsDeployed"] == result["numberComponentsTotal"] > 100
    hidden = bare.get("/sobjects/Payment__c/describe").status_code

    bare.control("POST", "permissions", {"username": USERNAME, "assign": "Stripe_Integration"})
    customer = bare.upsert({"External_ID__c": "cus_1"}, "Stripe_Customer__c").json()
    payment = bare.upsert(
        {
            "External_ID__c": "pi_1",
            "Amount__c": 12.345,
            "Status__c": "Failed",
            "Stripe_Customer__r": {"External_ID__c": "cus_1"},
        }
    )
    effect = {"External_ID__c": "eff_1", "Kind__c": "dunning", "Record_ID__c": payment.json()["id"]}
    bare.upsert(effect, "Integration_Effect__c")

    assert hidden == 404
    assert payment.status_code == 201, payment.text
    row = bare.query("SELECT Amount__c, Stripe_Customer__c FROM Payment__c").json()["records"][0]
    assert (row["Amount__c"], row["Stripe_Customer__c"]) == (12.345, customer["id"])
    ran = [run["flow"] for run in bare.control("GET", "flows")["runs"]]
    assert ran == ["Stripe_Effect_Runner", "Stripe_Dunning"]
    (task,) = bare.control("GET", "records", object="Task")["records"]
    assert (task["WhatId"], task["Integration_Key__c"]) == (payment.json()["id"], "eff_1")


def test_what_our_package_makes_is_what_the_org_has_otherwise_from_the_start(bare, admin, outsider):
    """The sandbox's own objects and the package may not drift apart."""

    def schema():
        listed = [each["name"] for each in admin.get("/sobjects").json()["sobjects"]]
        # The events of changes are listed and not described here; nobody deploys them.
        names = [name for name in listed if not name.endswith("ChangeEvent")]
        seen = {}
        for name in names:
            for field in admin.get(f"/sobjects/{name}/describe").json()["fields"]:
                if name.endswith(("__c", "__e")) or field["custom"]:
                    seen[name, field["name"]] = {
                        key: field[key]
                        for key in (
                            "type",
                            "length",
                            "precision",
                            "scale",
                            "nillable",
                            "externalId",
                            "unique",
                            "caseSensitive",
                            "createable",
                            "updateable",
                            "restrictedPicklist",
                            "relationshipName",
                            "cascadeDelete",
                            "referenceTo",
                        )
                    } | {"values": [each["value"] for each in field["picklistValues"]]}
        return seen

    deploy(admin, archive())
    deployed = schema()
    outsider.control("POST", "reset")
    token = outsider.control("POST", "sessions", {"username": "admin@acme.example"})["access_token"]
    admin.http.headers["Authorization"] = f"Bearer {token}"
    built_in = schema()

    assert set(deployed) == set(built_in)
    different = {
        f"{'.'.join(name)} {key}": (field[key], built_in[name][key])
        for name, field in deployed.items()
        for key in field
        if field[key] != built_in[name][key]
    }
    assert not different, "\n".join(f"{name}: {what}" for name, what in different.items())


def test_the_integration_user_may_not_deploy(bare):
    answer = bare.call("POST", "/metadata/deployRequest", files={"file": ("a.zip", b"", "application/zip")})

    assert (answer.status_code, answer.json()[0]["errorCode"]) == (403, "INSUFFICIENT_ACCESS")


def test_a_check_only_deployment_changes_nothing(bare, admin):
    result = deploy(admin, archive(), checkOnly=True)

    assert (result["status"], result["checkOnly"]) == ("Succeeded", True)
    assert admin.get("/sobjects/Payment__c/describe").status_code == 404


def test_deploying_again_changes_nothing_and_keeps_the_records(bare, admin):
    deploy(admin, archive())
    admin.upsert({"External_ID__c": "pi_1", "Amount__c": 5})

    result = deploy(admin, archive())

    assert result["status"] == "Succeeded"
    assert {each["created"] for each in result["details"]["componentSuccesses"]} == {False}
    assert admin.query("SELECT Amount__c FROM Payment__c").json()["records"][0]["Amount__c"] == 5


def a_field(body, name="A__c"):
    return an_object(f"{OBJECT}<fields><fullName>{name}</fullName><label>A</label>{body}</fields>")


def a_flow(body, kind="AutoLaunchedFlow"):
    inner = f"<label>F</label><processType>{kind}</processType><status>Active</status>{body}"
    return {"flows/F.flow": XML.format("Flow", inner)}


def a_permission_set(body):
    return {"permissionsets/P.permissionset": XML.format("PermissionSet", f"<label>P</label>{body}")}


def a_field_right(path):
    inner = f"<editable>true</editable><field>{path}</field><readable>true</readable>"
    return a_permission_set(f"<fieldPermissions>{inner}</fieldPermissions>")


BAD = [
    pytest.param(a_field("<type>Text</type>"), "Must specify 'length'", id="a text without a length"),
    pytest.param(a_field("<type>Text</type><length>300</length>"), "between 1 and 255", id="too long"),
    pytest.param(a_field("<type>Text</type><length>x</length>"), "xsd:int", id="no number"),
    pytest.param(a_field("<type>Nope</type>"), "Field Type Nope", id="no type"),
    pytest.param(a_field("<type>Date</type>", "A"), "Invalid fullName", id="a name without its ending"),
    pytest.param(a_field("<type>Date</type>", f"{'A' * 41}__c"), "too long", id="a name that is too long"),
    pytest.param(
        a_field("<type>Number</type><precision>19</precision><scale>2</scale>"), "Precision 19", id="digits"
    ),
    pytest.param(
        a_field("<type>Lookup</type><referenceTo>Nope__c</referenceTo>"), "does not resolve", id="no target"
    ),
    pytest.param(an_object(OBJECT + DUPLICATE_CHILDREN), "Child Relationship named Tickets", id="children"),
    pytest.param(an_object("<label>T</label>"), "non-empty pluralLabel", id="an object without a plural"),
    pytest.param(an_object("", "Nope"), "named 'Nope' cannot be found", id="no standard object"),
    pytest.param({"objects/Ticket__c.object": "<x"}, "Error parsing file", id="no XML"),
    pytest.param(
        {"objects/T__c.object": "<!DOCTYPE a [<!ENTITY b 'c'>]><a/>"}, "DOCTYPE is not allowed", id="entities"
    ),
    pytest.param({"objects/Ticket__c.object": XML.format("Flow", "")}, "CustomObject is expected", id="root"),
    pytest.param({"classes/A.cls": "class A {}"}, "Unknown file type", id="what is not simulated"),
    pytest.param(a_flow("", "Workflow"), "does not simulate flows of the type Workflow", id="a kind of flow"),
    pytest.param(a_flow("<loops><name>L</name></loops>"), "the element loops", id="an element of a flow"),
    pytest.param(
        a_flow("<start><connector><targetReference>X</targetReference></connector></start>"),
        "leads to X, which does not exist",
        id="a connector into nothing",
    ),
    pytest.param(
        a_flow("<subflows><name>S</name><flowName>Gone</flowName></subflows>"),
        "The flow Gone does not exist",
        id="no subflow",
    ),
    pytest.param(
        a_flow("<recordCreates><name>C</name><object>Gone__c</object></recordCreates>"),
        "The object Gone__c does not exist",
        id="a flow without its object",
    ),
    pytest.param(a_field_right("Account.Gone__c"), "no CustomField named Account.Gone__c", id="no field"),
    pytest.param(a_field_right("Account.Name"), "required field: Account.Name", id="a required field"),
    pytest.param(
        a_permission_set(
            "<objectPermissions><allowCreate>true</allowCreate><object>Account</object></objectPermissions>"
        ),
        "depends on permission(s): Read Account",
        id="a right without what it needs",
    ),
]


@pytest.mark.parametrize(("files", "problem"), BAD)
def test_what_cannot_be_is_told_by_component_and_nothing_is_deployed(bare, admin, files, problem):
    good = an_object(OBJECT + TEXT.format("Text__c"), "Good__c")

    result = deploy(admin, a_zip(good | files))

    assert (result["status"], result["success"]) == ("Failed", False)
    assert any(problem in each for each in problems(result)), problems(result)
    assert result["numberComponentErrors"] == len(problems(result))
    failure = result["details"]["componentFailures"][0]
    assert failure["fileName"]
    assert failure["problemType"] == "Error"
    assert admin.get("/sobjects/Good__c/describe").status_code == 404


def test_what_the_manifest_names_and_the_zip_lacks_is_a_failure(bare, admin):
    result = deploy(admin, a_zip({}, [("CustomField", "Account.Gone__c")]))

    assert "was named in package.xml, but was not found" in problems(result)[0]


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(b"no zip", id="no zip"),
        pytest.param(packed(**{"objects/A__c.object": "x"}), id="no package"),
    ],
)
def test_a_file_that_is_no_package_fails(bare, admin, content):
    assert deploy(admin, content)["status"] == "Failed"


def test_a_deployed_field_is_seen_through_a_permission_set_only(bare, admin):
    files = an_object("<fields>" + TEXT.format("Extra__c").removeprefix("<fields>"), "Account")
    deploy(admin, a_zip(files))
    body = {"Name": "Acme", "Extra__c": "x"}

    before = bare.post("/sobjects/Account", body)
    deploy(admin, a_zip(a_field_right("Account.Extra__c")))
    bare.control("POST", "permissions", {"username": USERNAME, "assign": "P"})
    after = bare.post("/sobjects/Account", body)

    assert before.json()[0]["errorCode"] == "INVALID_FIELD"
    assert after.status_code == 201


def test_a_body_without_its_parts_is_refused(bare, admin):
    parts = {"json": (None, '{"deployOptions": {}}', "application/json")}

    assert admin.call("POST", "/metadata/deployRequest", files=parts).status_code == 400
    assert admin.post("/metadata/deployRequest", {}).status_code == 415
    assert admin.get("/metadata/deployRequest/0AfgK0000000001AAA").status_code == 404


MEMBER = "<eventChannel>ChangeEvents</eventChannel><selectedEntity>{}</selectedEntity>"


def a_member(entity):
    name = f"ChangeEvents_{entity.replace('__', '_')}"
    path = f"platformEventChannelMembers/{name}.platformEventChannelMember"
    return {path: XML.format("PlatformEventChannelMember", MEMBER.format(entity))}


def test_a_bare_org_tells_the_changes_of_an_object_once_it_is_selected(bare, admin):
    topic = "/data/AccountChangeEvent"

    def told():
        bare.control("POST", "changes", {"act": "create", "object": "Account", "values": {"Name": "Acme"}})
        return bare.control("GET", "pubsub")["events"].get(topic, 0)

    before = told()
    trial = deploy(admin, a_zip(a_member("AccountChangeEvent")), checkOnly=True)
    still = told()
    result = deploy(admin, a_zip(a_member("AccountChangeEvent")))
    again = deploy(admin, a_zip(a_member("AccountChangeEvent")))
    asked = {"q": "SELECT SelectedEntity FROM PlatformEventChannelMember WHERE EventChannel = 'ChangeEvents'"}

    assert (before, still, told()) == (0, 0, 1)
    assert [each["success"] for each in (trial, result, again)] == [True, True, True]
    created = [each["details"]["componentSuccesses"][0]["created"] for each in (trial, result, again)]
    assert created == [True, True, False]
    rows = admin.get("/tooling/query", params=asked).json()["records"]
    assert [row["SelectedEntity"] for row in rows] == ["AccountChangeEvent"]
    assert admin.get("/query", params=asked).json()[0]["errorCode"] == "INVALID_TYPE"


def test_fields_alone_are_added_to_an_object_that_is_there_and_to_no_other(bare, admin):
    files = an_object(TEXT.format("More__c"))
    without = deploy(admin, a_zip(files, [("CustomField", "Ticket__c.More__c")]))
    whole = deploy(admin, a_zip(an_object(), [("CustomObject", "Ticket__c")]))
    added = deploy(admin, a_zip(files, [("CustomField", "Ticket__c.More__c")]))

    assert "cannot be found" in problems(without)[0]
    assert whole["success"]
    assert (added["success"], problems(added)) == (True, [])
