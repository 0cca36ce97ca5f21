"""Clients are put into six classes by what they say they are."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from specter_exporters.signin.user_agents import CLASSES, UserAgents

WINDOWS = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0"
KNOWN = {
    "browser": [
        f"{WINDOWS} Safari/537.36",
        f"{WINDOWS} Safari/537.36 Edg/126.0.0.0",
        "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0",
        (
            "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) "
            "Version/17.5 Mobile/15E148 Safari/604.1"
        ),
        (
            "Mozilla/5.0 (Linux; Android 14; CUBOT X30) AppleWebKit/537.36 (KHTML, like Gecko) "
            "Chrome/125.0.0.0 Mobile Safari/537.36"
        ),
        "Mozilla/5.0 (Windows NT 10.0; WOW64; Trident/7.0; rv:11.0) like Gecko",
        "Opera/9.80 (Windows NT 6.1; WOW64) Presto/2.12.388 Version/12.18",
    ],
    "mobile_app": [
        "okhttp/4.12.0",
        "Shop/512 CFNetwork/1496.0.7 Darwin/23.5.0",
        "Dalvik/2.1.0 (Linux; U; Android 14; Pixel 8 Build/AP1A.240505.004)",
        "Quest/3.1 (com.example.quest; build:31; iOS 17.5.0) Alamofire/5.9.1",
    ],
    "bot_good": [
        "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)",
        (
            "Mozilla/5.0 AppleWebKit/537.36 (KHTML, like Gecko; compatible; bingbot/2.0; "
            "+http://www.bing.com/bingbot.htm) Chrome/126.0.0.0 Safari/537.36"
        ),
        "facebookexternalhit/1.1 (+http://www.facebook.com/externalhit_uatext.php)",
        "Slackbot-LinkExpanding 1.0 (+https://api.slack.com/robots)",
        "Mozilla/5.0+(compatible; UptimeRobot/2.0; http://www.uptimerobot.com/)",
        "Prometheus/2.42.0",
        "kube-probe/1.29",
    ],
    "bot_bad": [
        "sqlmap/1.8#stable (https://sqlmap.org)",
        "Mozilla/5.00 (Nikto/2.5.0) (Evasions:None) (Test:Port Check)",
        (
            "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) HeadlessChrome/126.0.0.0 "
            "Safari/537.36"
        ),
        "Mozilla/5.0 zgrab/0.x",
        "Scrapy/2.11.2 (+https://scrapy.org)",
        "Mozilla/5.0 (compatible; SomeUnknownBot/1.0)",
        "my-crawler",
    ],
    "script": [
        "curl/8.5.0",
        "Wget/1.21.4",
        "python-requests/2.32.3",
        "Python-urllib/3.11",
        "python-httpx/0.27.0",
        "Go-http-client/2.0",
        "Java/17.0.11",
        "Apache-HttpClient/5.3 (Java/17)",
        "axios/1.7.2",
        "node",
        "PostmanRuntime/7.39.0",
        "k6/0.51.0 (https://k6.io/)",
        "something nobody has heard of",
        "Mozilla/5.0",
        "Mozilla/4.0 (compatible)",
    ],
    "empty": ["", "   ", "-"],
}


@pytest.mark.parametrize(("expected", "header"), [(name, text) for name in KNOWN for text in KNOWN[name]])
def test_known_clients_are_what_they_are(expected: str, header: str) -> None:
    assert UserAgents().classify(header) == expected


def test_a_client_that_says_nothing_is_empty() -> None:
    assert UserAgents().classify(None) == "empty"


def test_the_product_s_own_app_is_an_app_whatever_it_is_built_with() -> None:
    agents = UserAgents(r"^Quest/\d")
    assert agents.classify("Quest/3.1 python") == "mobile_app"
    assert agents.classify("Request/3.1 python") == "script"


@given(st.text(max_size=600))
def test_any_header_is_in_one_of_the_classes(header: str) -> None:
    assert UserAgents().classify(header) in CLASSES


def test_answers_are_remembered_in_a_bounded_number() -> None:
    agents = UserAgents()
    for number in range(5000):
        agents.classify(f"client {number}")
    assert agents.classify.cache_info().currsize == 2048
