"""The receipts' words, Arabic and French, keyed. One constant text searched in place, so that nothing of it lies on the heap.

A receipt always speaks both languages, whatever the officer's screen speaks: that is why its words are not the screens' catalogue
(`terminal.face.catalogue`), of which a screen takes one. `{}` is filled with a value.
"""

from protocol.errors import ConfigError

_WORDS = """
force.1|المديرية العامة للأمن الوطني|Direction générale de la sûreté nationale
force.2|الدرك الوطني|Gendarmerie nationale
title.payment|وصل دفع غرامة جزافية|Reçu de paiement d’amende forfaitaire
title.provisional|وصل مؤقت|Reçu provisoire
title.document|وثيقة السياقة المؤقتة|Document provisoire de conduite
title.declined|إشعار برفض الدفع|Avis de refus de paiement
title.notice|إشعار بغرامة جزافية|Avis d’amende forfaitaire
title.void|وصل إلغاء دفع|Reçu d’annulation de paiement
title.voiding|وثيقة السياقة المؤقتة|Document provisoire de conduite
title.interrupted|إشعار بعملية متوقفة|Avis d’opération interrompue
title.signature|قسيمة توقيع|Bordereau de signature
outcome.payment|مدفوعة|PAYÉE
outcome.provisional|لم تدفع بعد|PAS ENCORE PAYÉE
outcome.document|الدفع قيد الموافقة|PAIEMENT EN ATTENTE
outcome.declined|لم يتم الدفع|NON PAYÉE
outcome.notice|غير مدفوعة|NON PAYÉE
outcome.void|ملغى|ANNULÉ
outcome.voiding|لم يلغ بعد|PAS ENCORE ANNULÉ
outcome.interrupted|لم يقتطع أي مبلغ|RIEN PRÉLEVÉ
note.provisional|في انتظار موافقة البنك وقد يرفض.|Accord de la banque en attente, refus possible.
note.document|لا تدفع مرة ثانية قبل جواب البنك.|Ne payez pas deux fois : la banque répondra.
note.declined|رفضت البطاقة أو البنك الدفع.|La carte ou la banque a refusé le paiement.
note.void|ألغي الدفع ويعاد المبلغ إلى البطاقة. الغرامة غير مسددة.|Paiement annulé, montant rendu à la carte. L’amende reste due.
note.voiding|الدفع قائم إلى أن يجيب البنك.|Le paiement reste valable jusqu’à la réponse de la banque.
note.interrupted|انقطعت العملية قبل نهايتها.|L’opération a été coupée avant sa fin.
note.unsigned|توقيع صاحب البطاقة غائب أو غير مطابق.|Signature du titulaire absente ou non conforme.
note.signature|هذه القسيمة ليست وصلا.|Ce bordereau n’est pas un reçu.
sign.accept|أوافق على دفع هذا المبلغ بالبطاقة المذكورة أعلاه.|J’accepte de payer ce montant par cette carte.
sign.here|توقيع صاحب البطاقة|Signature du titulaire de la carte
unit|الوحدة|Unité
pv|رقم المحضر|PV n°
date|التاريخ|Date
place|المكان|Lieu
plate|المركبة|Véhicule
article|المادة|Article
points|النقاط المسحوبة|Points retirés
amount|المبلغ|Montant
card|البطاقة|Carte
interface.1|بالشريحة|Puce
interface.2|بدون تلامس|Sans contact
approval|رقم الموافقة|Autorisation
terminal|الجهاز|Terminal
officer|رقم العون|Agent n°
reason|السبب|Motif
licence.1|أعيدت رخصة السياقة إلى صاحبها.|Permis de conduire restitué à son titulaire.
licence.2|رخصة السياقة محتفظ بها لدى العون.|Permis de conduire retenu par l’agent.
licence.3|رفع الاحتفاظ: تسترجع رخصة السياقة لدى الوحدة.|Rétention levée : le permis est à reprendre à l’unité.
drive|تسمح هذه الوثيقة بالسياقة {} أيام، إلى غاية|Permet de conduire {} jours, jusqu’au
later|الدفع خلال 45 يوما.|À payer sous 45 jours.
scan|امسح للتحقق|Scannez pour vérifier
copy.1|نسخة السائق|Exemplaire du conducteur
copy.2|نسخة العون|Exemplaire de l’agent
copy.3|نسخة ثانية|Second exemplaire
duplicate|نسخة|DUPLICATA
"""


def word(key: str) -> "tuple[str, str]":
    """(Arabic, French) of `key`. Raises ConfigError CFG-060 for a key that is not there."""
    at = _WORDS.find("\n" + key + "|")
    if at < 0:
        raise ConfigError("the receipts have no such text", "CFG-060", "report it", key)
    start = at + len(key) + 2
    parts = _WORDS[start : _WORDS.find("\n", start)].split("|")
    return parts[0], parts[1]


def keys() -> list:
    """Every key, for tests."""
    return [line[: line.find("|")] for line in _WORDS.split("\n") if line]
