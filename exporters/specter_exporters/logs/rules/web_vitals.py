"""Core web vitals that a service writes to its log: `{"name": "LCP", "value": 1834.2, "page": "/cart"}`."""

from specter_exporters.logs.conditions import condition
from specter_exporters.logs.fields import Fields, as_number, getter
from specter_exporters.logs.routes import Router
from specter_exporters.logs.rules.model import Context, Rule
from specter_exporters.logs.schema import VitalsSchema
from specter_exporters.vitals import DEVICES, VITALS, device_class


def web_vitals_rule(settings: VitalsSchema, context: Context) -> Rule:
    """Return what observes the web vitals of a log."""
    limits = {"page": settings.max_pages, "device": len(DEVICES) + 1}
    families = {
        name: (context.store.histograms(vital.metric, limits=limits), vital) for name, vital in VITALS.items()
    }
    errors = {name: context.field_error(vital.metric.name) for name, vital in VITALS.items()}
    get_name, get_value = getter(settings.metric), getter(settings.value)
    get_page, get_device = getter(settings.page), getter(settings.device)
    router = Router(settings.routes)
    accepts = condition(settings.when, context.watch)

    def rule(fields: Fields) -> None:
        name = get_name(fields)
        if type(name) is not str or name not in families or (accepts is not None and not accepts(fields)):
            return
        family, vital = families[name]
        value = as_number(get_value(fields))
        if value is None or value * vital.scale > vital.largest:
            errors[name]()
            return
        page = get_page(fields)
        route = router.route(page)[0] if type(page) is str else ""
        family.find(route, device_class(get_device(fields)))[0].observe(value * vital.scale)

    return rule
