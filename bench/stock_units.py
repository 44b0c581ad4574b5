"""The peer for pickers and lists of units: stock Flask-AppBuilder with the same units.

One screen of units and one of people who belong to a unit, as FAB makes them from two models. The
units come from the JSON file STOCK_UNITS: [id, name, code, id of the unit above].
"""

from __future__ import annotations

import json
import os
from pathlib import Path

from flask_appbuilder import Model, ModelView
from flask_appbuilder.models.sqla.interface import SQLAInterface
from sqlalchemy import Column, ForeignKey, Integer, String, insert
from sqlalchemy.orm import relationship

from bench.stock_fab import app, appbuilder, create_users, db


class StockUnit(Model):
    """A unit."""

    __tablename__ = "stock_unit"

    id = Column(Integer, primary_key=True)
    name = Column(String(120), nullable=False)
    code = Column(String(32), unique=True, nullable=False)
    parent_id = Column(Integer, ForeignKey("stock_unit.id"), index=True)
    parent = relationship("StockUnit", remote_side=[id])

    def __repr__(self) -> str:
        return str(self.name)


class StockPerson(Model):
    """Somebody who belongs to a unit."""

    __tablename__ = "stock_person"

    id = Column(Integer, primary_key=True)
    name = Column(String(60), nullable=False)
    unit_id = Column(Integer, ForeignKey("stock_unit.id"), nullable=False)
    unit = relationship(StockUnit)


class StockUnitView(ModelView):
    """The units."""

    route_base = "/units"
    datamodel = SQLAInterface(StockUnit)
    list_columns = ("name", "code", "parent")
    add_columns = ("name", "code", "parent")


class StockPersonView(ModelView):
    """The people, with the related-field widget for their unit."""

    route_base = "/people"
    datamodel = SQLAInterface(StockPerson)
    list_columns = ("name", "unit")
    add_columns = ("name", "unit")


with app.app_context():
    appbuilder.add_view(StockUnitView, "Units")
    appbuilder.add_view(StockPersonView, "People")


def fill() -> None:
    """Create the tables and put the units in."""
    rows = json.loads(Path(os.environ["STOCK_UNITS"]).read_text(encoding="utf-8"))
    keys = ("id", "name", "code", "parent_id")
    with app.app_context():
        Model.metadata.create_all(db.engine)
        db.session.execute(insert(StockUnit), [dict(zip(keys, row, strict=True)) for row in rows])
        db.session.commit()


if __name__ == "__main__":
    create_users()
    fill()
