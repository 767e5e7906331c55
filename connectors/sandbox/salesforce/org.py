"""This module holds the whole state of the simulated org."""

from __future__ import annotations

import time
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from connectors.sandbox.salesforce import integration_flows, record_types, setup_rows
from connectors.sandbox.salesforce.answers import nothing_there, refused
from connectors.sandbox.salesforce.bus.changes import Capture
from connectors.sandbox.salesforce.bus.event_log import EventLog
from connectors.sandbox.salesforce.bus.events import Bus
from connectors.sandbox.salesforce.bus.schemas import Schemas
from connectors.sandbox.salesforce.bus.settings import Streaming
from connectors.sandbox.salesforce.cursors import Cursors
from connectors.sandbox.salesforce.deployments import Deployments
from connectors.sandbox.salesforce.duplicates import DuplicateRules
from connectors.sandbox.salesforce.flows import Flows
from connectors.sandbox.salesforce.history import History
from connectors.sandbox.salesforce.ids import new_id
from connectors.sandbox.salesforce.limits import Limits
from connectors.sandbox.salesforce.oauth import Door
from connectors.sandbox.salesforce.obstacles import Obstacles
from connectors.sandbox.salesforce.sales_setup import SalesSetup
from connectors.sandbox.salesforce.schema import shapes
from connectors.sandbox.salesforce.security import PermissionSet, Security
from connectors.sandbox.salesforce.shapes import Shape
from connectors.sandbox.salesforce.tables import Record, Table
from connectors.sandbox.salesforce.values import stored_moment

if TYPE_CHECKING:
    from collections.abc import Mapping

    from connectors.sandbox.salesforce.fields import Field, RecordType, SObject
    from connectors.sandbox.salesforce.record_types import Offered


PERMISSION_SET = ("Stripe_Integration", "Stripe Integration")


class Org:
    """
    One Salesforce org.

    `base_url` is its My Domain address; left empty, it is the address that each call is made to.
    """

    def __init__(
        self,
        *,
        base_url: str = "",
        org_number: int = 1,
        name: str = "Sandbox Ltd",
        bare: bool = False,
    ) -> None:
        self._born = (base_url.rstrip("/"), new_id("00D", org_number), name)
        self._born_bare = bare
        self.base_url, self.id, self.name = self._born
        self.instance_url = ""  # differs from the base address only if told so
        self.skew = 0.0  # seconds by which the org's clock is ahead
        self.door = Door()
        self.objects: dict[str, SObject] = {}
        self.tables: dict[str, Table] = {}
        self.schema_changed = 0
        self._lowered: dict[str, str] = {}
        self._stamp = (0, "")
        # Replay ids of an earlier run or an earlier life of the org mean nothing to this one.
        self.log = self._new_log(first=time.time_ns() // 1_000)
        self._found(bare=bare)

    def reset(self, *, bare: bool | None = None) -> None:
        """
        Make the org what it was at first, without records and sessions; the registered apps stay.

        A `bare` one has nothing of the integration: no object, field, Flow or permission set.
        """
        self.base_url, self.id, self.name = self._born
        self.instance_url, self.skew = "", 0.0
        self.door.reset()
        self.log.close()
        self.log = self._new_log(first=self.log.tip + 1_000)
        self._found(bare=self._born_bare if bare is None else bare)

    def _new_log(self, *, first: int) -> EventLog[Any]:
        self.streaming, self.schemas = Streaming(), Schemas()
        return EventLog(self.streaming, self.time, first=first)

    def _found(self, *, bare: bool) -> None:
        self.bare = bare
        self.schema_changed = 0
        self.tables = {name: Table(shape) for name, shape in shapes(bare=bare).items()}
        self.limits = Limits()
        self.obstacles = Obstacles()
        self.duplicates = DuplicateRules()
        self.sales = SalesSetup()
        self.history = History()
        self.cursors = Cursors()
        self.streaming.selected = set() if bare else None
        self.bus, self.capture = Bus(self.log), Capture(self.log, self.streaming, self.time)
        self.deployments = Deployments()
        self.interviews = 0
        self.flows = Flows(() if bare else integration_flows.built_in())
        self.security = Security(() if bare else (PermissionSet(*PERMISSION_SET),))
        self.note_schema()
        self._seat_users()
        self.seat_organization()
        self._seat_price_book()
        self.seat_setup()

    def note_schema(self) -> None:
        """Take note of a changed schema, whose describes are new from now on."""
        self.objects = {name: table.shape.object for name, table in self.tables.items()}
        self._lowered = {name.lower(): name for name in self.tables}
        self.schema_changed = max(int(self.time()), self.schema_changed + 1)
        self.security.changed()

    def as_json(self) -> dict[str, Any]:
        """Return a summary of the state."""
        return {
            "org_id": self.id,
            "bare": self.bare,
            "my_domain": self.base_url,
            "instance_url": self.instance_url,
            "records": {name: sum(1 for _ in table.alive()) for name, table in self.tables.items()},
            "writes": self.history.counts(),
            "overlapped": self.history.overlapped,
            "interviews": self.flows.counts(),
            "events": self.bus.counts(),
            "limits": {
                "daily": self.limits.daily,
                "used": self.limits.used,
                "refusals": self.limits.refusals,
            },
            "door": self.door.as_json(),
        }

    def time(self) -> float:
        """Return the time by the org's clock, in seconds since the epoch."""
        return time.time() + self.skew

    def now(self) -> str:
        """Return the stamp of this second; Salesforce's stamps have no finer one."""
        second = int(self.time())
        if self._stamp[0] != second:
            self._stamp = (second, stored_moment(datetime.fromtimestamp(second, UTC)))
        return self._stamp[1]

    def table(self, name: str) -> Table:
        """
        Return the table of an object, whatever the case of its name.

        :raises Refused: if there is no such object
        """
        found = self.tables.get(name) or self.tables.get(self._lowered.get(name.lower(), ""))
        if found is None:
            raise nothing_there()
        return found

    def change_field(self, object_: str, field: str, **change: Any) -> Field | None:
        """
        Change the schema as an administrator would; the field is returned unless it was removed.

        A field that gets another name keeps what records have in it.

        :raises Refused: if there is no such object or field
        :raises ValueError: if the field is not one that an administrator may remove or rename
        :raises TypeError: if fields have no such quality
        """
        table = self.table(object_)
        removed, known = bool(change.get("remove")), table.shape.field(field)
        name = str(change.get("name", known.name))
        if (removed or name != known.name) and not (known.custom and name.endswith("__c")):
            raise ValueError("Only custom fields can be removed or renamed")
        shape = table.shape.changed(field, **change)
        if name != known.name:
            for record in table.records.values():  # anew: captured changes still hold what was
                held = record.values
                kept = {each: value for each, value in held.items() if each != known.name}
                record.values = {**kept, name: held.get(known.name)}
        table.reshape(shape)
        self.note_schema()
        return None if removed else shape.field(name)

    def add_field(self, object_: str, field: Field) -> None:
        """
        Add a field to an object, or replace the one of its name; records get its default.

        :raises Refused: if there is no such object
        """
        table = self.table(object_)
        thing = table.whole.object
        others = tuple(each for each in thing.fields if each.name != field.name)
        for record in table.records.values():
            record.values = {field.name: field.default, **record.values}
        table.reshape(Shape(replace(thing, fields=(*others, field)), table.whole.prefixes))
        self.note_schema()

    def set_record_type(self, object_: str, name: str, **change: Any) -> RecordType:
        """
        Add a record type to an object, or change one, as an administrator would.

        :raises Refused: if there is no such object
        :raises TypeError: if record types have no such quality
        """
        table = self.table(object_)
        thing, made = record_types.with_type(table.whole.object, name, self.objects.values(), change)
        table.reshape(Shape(thing, table.whole.prefixes))
        self.note_schema()
        self.seat_setup()
        return made

    def offers(self, user_id: str, thing: SObject) -> Offered:
        """Return what tells whether a user may give records of an object a record type."""
        user = next((each for each in self.door.users.values() if each.id == user_id), None)
        return lambda each: self.security.offers(user, thing.name, each)

    def target_of(self, field: Field, value: Mapping[str, Any]) -> str:
        """
        Return the id of the record that a nested object names by an external id.

        :raises Refused: if it names none, or several
        """
        names = [name for name in value if name != "attributes"]
        if len(names) != 1:
            raise refused("INVALID_FIELD", f"{field.relationship}: exactly one external id must be given")
        wanted = value[names[0]]
        for target in field.refers_to:
            table = self.tables.get(target)
            if table is None:
                continue
            known = table.shape.field(names[0])
            if not table.is_indexed(known):
                raise refused(
                    "INVALID_FIELD", f"{known.name} is not an External ID or indexed field for {target}"
                )
            found = table.find(known, wanted) if isinstance(wanted, str) else []
            if len(found) == 1:
                return found[0].id
            if found:
                ids = ", ".join(record.id for record in found)
                message = f"{wanted}: more than one record found for external id field: [{ids}]"
                raise refused("DUPLICATE_EXTERNAL_ID", message, dml=True)
        message = (
            f"Foreign key external ID: {wanted} not found for field {names[0]} in entity {field.refers_to[0]}"
        )
        raise refused("INVALID_FIELD", message, dml=True)

    def check_reference(self, field: Field, id18: str) -> None:
        """
        Let an id pass that a look-up may hold.

        :raises Refused: if no such record exists, or no longer
        """
        tables = [self.tables[target] for target in field.refers_to if target in self.tables]
        if not tables:
            return  # the sandbox does not simulate what the look-up points at
        for table in tables:
            record = table.records.get(id18)
            if record is not None and record.deleted:
                raise refused("ENTITY_IS_DELETED", "entity is deleted", dml=True)
            if record is not None:
                return
        raise refused("INVALID_CROSS_REFERENCE_KEY", "invalid cross reference id", dml=True)

    def seat_organization(self) -> None:
        """Write the one record of Organization anew."""
        table = self.tables["Organization"]
        table.records.clear()
        values = {
            "Name": self.name,
            "InstanceName": "SBX1",
            "IsSandbox": True,
            "IsReadOnly": False,
            "OrganizationType": "Developer Edition",
            "TimeZoneSidKey": "GMT",
            "LanguageLocaleKey": "en_US",
            "DefaultLocaleSidKey": "en_GB",
        }
        self.seat(table, self.id, values)

    def _seat_price_book(self) -> None:
        """Write the standard price book, which every org has and nobody makes."""
        table = self.tables["Pricebook2"]
        self.standard_price_book = table.next_id()
        values = {"Name": "Standard Price Book", "IsActive": True, "IsStandard": True}
        self.seat(table, self.standard_price_book, values)

    def _seat_users(self) -> None:
        for user in self.door.users.values():
            self.seat_user(user.id, user.username, active=user.active)

    def seat_user(self, id18: str, username: str, *, active: bool) -> None:
        """Write the record of a user."""
        table = self.tables["User"]
        if id18 in table.records:
            table.leave(table.records.pop(id18))
        last = username.partition("@")[0]
        values = {
            "Username": username,
            "Email": username,
            "LastName": last,
            "Name": last,
            "Alias": last[:8],
            "IsActive": active,
            "TimeZoneSidKey": "GMT",
            "UserType": "Standard",
        }
        self.seat(table, id18, values)
        if not self.bare:
            self.security.assign(username, PERMISSION_SET[0])
        self.seat_setup()

    def seat_setup(self) -> None:
        """Write the rows of the setup objects anew."""
        prefix = self.tables["PermissionSet"].shape.object.prefix
        rows = {
            "PermissionSet": setup_rows.permission_sets(self.security),
            "PermissionSetAssignment": setup_rows.assignments(self.security, self.door.users, prefix),
            "FlowDefinitionView": setup_rows.flows(self.flows),
            "DuplicateRule": setup_rows.duplicate_rules(self.duplicates),
            "RecordType": setup_rows.record_types(self.objects.values()),
            "ObjectPermissions": setup_rows.object_permissions(self.security, prefix),
            "FieldPermissions": setup_rows.field_permissions(self.security, prefix),
            "PlatformEventChannelMember": setup_rows.channel_members(self.objects.values(), self.streaming),
            "CurrencyType": self.sales.currency_rows(),
            "OpportunityStage": self.sales.stage_rows(),
            "OrderStatus": self.sales.order_status_rows(),
        }
        for name, each in rows.items():
            table = self.tables[name]
            table.clear()
            for number, row in enumerate(each, start=1):
                self.seat(table, row.pop("Id", "") or new_id(table.shape.object.prefix, number), row)

    def seat(self, table: Table, id18: str, values: dict[str, Any]) -> None:
        """Write a record that no client may write."""
        now = self.now()
        system = {
            "Id": id18,
            "IsDeleted": False,
            "CreatedDate": now,
            "CreatedById": self.door.automation.id,
            "LastModifiedDate": now,
            "LastModifiedById": self.door.automation.id,
            "SystemModstamp": now,
        }
        table.enter(Record(id18, {**table.shape.defaults, **values, **system}))
