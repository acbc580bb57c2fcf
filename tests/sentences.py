"""Sentences in the languages of the reference mix, written for these tests."""

from __future__ import annotations

from typing import Final

SENTENCES: Final = {
    "bg": "Библиотеката отваря вратите си в девет сутринта и затваря късно вечерта.",
    "ca": "Aquest matí els nens han anat a l'escola caminant perquè no hi havia autobús.",
    "cs": "Včera večer jsme seděli na zahradě a poslouchali, jak prší na střechu.",
    "da": "Hun købte et nyt køkkenbord og malede væggen bagefter, mens børnene legede udenfor.",
    "de": "Am Abend setzten wir uns in den Garten und hörten dem Regen auf dem Dach zu.",
    "en": "In the evening we sat in the garden and listened to the rain on the roof.",
    "es": "Por la tarde nos sentamos en el jardín y escuchamos la lluvia sobre el tejado.",
    "fr": "Le soir, nous nous sommes assis dans le jardin pour écouter la pluie sur le toit.",
    "hr": "Navečer smo sjedili u vrtu i slušali kišu kako pada po krovu naše kuće, a tjedan je prošao.",
    "hu": "Este kiültünk a kertbe, és hallgattuk, ahogy az eső kopog a tetőn.",
    "it": "La sera ci siamo seduti in giardino ad ascoltare la pioggia che cadeva sul tetto.",
    "ja": "夕方、私たちは庭に座って、屋根に落ちる雨の音を聞いていました。",
    "ko": "저녁에 우리는 정원에 앉아서 지붕에 떨어지는 빗소리를 들었습니다.",
    "nl": "'s Avonds zaten we in de tuin en luisterden we naar de regen op het dak.",
    "pl": "Wieczorem siedzieliśmy w ogrodzie i słuchaliśmy deszczu padającego na dach.",
    "pt": "À noite sentámo-nos no jardim e ficámos a ouvir a chuva a cair no telhado.",
    "ro": "Seara ne-am așezat în grădină și am ascultat ploaia căzând pe acoperiș.",
    "ru": "Вечером мы сидели в саду и слушали, как дождь стучит по крыше нашего дома.",
    "sl": "Zvečer smo sedeli na vrtu in poslušali dež, ki je padal na streho naše hiše.",
    "sr": "Увече смо седели у башти и слушали кишу како пада по крову наше куће, а недеља је прошла.",
    "sv": "På kvällen satt vi i trädgården och lyssnade på regnet mot taket.",
    "th": "ตอนเย็นเรานั่งอยู่ในสวนและฟังเสียงฝนตกบนหลังคาบ้าน",
    "uk": "Увечері ми сиділи в саду й слухали, як дощ стукає по даху нашого будинку.",
    "zh": "傍晚我们坐在花园里，听着雨点落在屋顶上的声音。",
    "zh-TW": "傍晚我們坐在花園裡，聽著雨點落在屋頂上的聲音，這個週末過得很愉快。",
}
"""One sentence per tag."""

SERBIAN: Final = {
    "cyrillic": SENTENCES["sr"],
    "latin": "Uveče smo sedeli u bašti i slušali kišu kako pada po krovu naše kuće, a nedelja je prošla.",
}
"""Serbian in both of its scripts."""
