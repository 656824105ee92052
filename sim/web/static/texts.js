// Every word of the page in French, Arabic and English. `t(key, fields)` fills {name}; `setLanguage` turns the whole page.

const TEXTS = {
  fr: {
    tagline: "Terminal d’amendes forfaitaires — simulateur", network: "Réseau", power: "Alimentation", drivers: "Conducteurs",
    cards: "Cartes bancaires", terminal: "Le terminal", paper: "Papier", ledger: "Serveur central", trace: "Échanges avec les puces (APDU)",
    odd: "Permis à problème", officer: "Agent", unit: "Unité", pin: "code", note: "Note de l’agent",
    scan: "Scanner", lay: "Poser", take: "Reprendre", insert: "Insérer", tap: "Présenter", by_hand: "À saisir à la main",
    number: "Numéro", birth: "Naissance", expiry: "Expiration", plate: "Plaque", categories: "Catégories",
    licence_title: "Permis de conduire", sample: "SPÉCIMEN",
    bay_licence: "Lecteur de permis (sans contact)", bay_payment: "Fente de la carte bancaire", bay_tap: "Lecteur sans contact",
    risk_approve: "Accepte hors ligne : payée, permis rendu", risk_online: "Interroge sa banque : acceptée en ligne, provisoire sans réseau",
    risk_decline: "Refuse : rien n’est pris", tries: "essais restants : {n}", blocked: "Code bloqué", unblock: "Débloquer à la banque",
    odd_expired: "Expiré", odd_altered: "Données modifiées après signature", "odd_unknown-issuer": "Signé par un inconnu",
    "odd_wrong-mrz": "Puce d’un autre permis",
    paper_out: "Plus de papier", cover: "Capot ouvert", silent: "Muette", tear: "Déchirer", no_paper: "Rien n’est encore imprimé.",
    paper_n: "Reçu n° {n}, {time}", enlarge: "agrandir", close: "Fermer",
    crashed: "Le terminal s’est arrêté tout seul", restart: "Redémarrer", off: "Éteint",
    balanced: "équilibré", unbalanced: "écart", unchecked: "en vérification", empty: "vide", paid: "Encaissé", awaited: "En attente", refused: "Refusé ensuite", unpaid: "À payer",
    cases: "Procès-verbaux", cases_shown: "{shown} sur {all}", postings: "Écritures", device: "Terminal", none: "Rien n’est encore parvenu au serveur.",
    pv: "PV", offence: "Infraction", amount: "Montant", state: "État", acked: "{acked} enregistrements reçus · dernier contact {time}", blocked: "bloqué depuis {time}",
    state_paid: "payé", state_provisional: "provisoire", state_declined: "refusé", state_unpaid: "impayé", state_held: "bloqué", state_abandoned: "abandonné", state_unlike: "autre montant",
    part_outcome: "paiement", part_final: "dénouement", part_reversal: "annulation", part_fork: "bifurcation",
    part_gap: "lacune", part_known: "hors lacune", part_again: "retour en attente", part_unseen: "dénouement seul", part_stands: "maintien", part_decided: "décision",
    account_receivable: "Dû par l’acquéreur · {scheme}", account_provisional: "Autorisations en attente · {scheme}", account_missing: "Enregistrements perdus · {device}",
    account_treasury: "Trésor · wilaya {wilaya}, {force}, {unit}", account_awaited: "En attente pour le Trésor · wilaya {wilaya}, {force}, {unit}",
    account_suspense: "En suspens · wilaya {wilaya}, {force}, {unit}", force_1: "police", force_2: "gendarmerie",
    alarm_ACQUIRER: "réponse de l’acquéreur", alarm_EPOCH: "nouvelle époque", alarm_FAILED: "décision sur un échec", alarm_FORK: "décision sur une bifurcation", alarm_GAP: "lacune", alarm_HELD: "paiement bloqué",
    alarm_RECON: "bilan de service", alarm_REFUND: "remboursement", alarm_RESTORED: "base restaurée", alarm_REVERSAL: "annulation", alarm_SUSPENSE: "argent en suspens",
    alarm_VOID: "annulation par l’agent", alarm_WAITING: "attente trop longue", "alarm_SRV-028": "autre résultat", "alarm_SRV-030": "bifurcation", "alarm_SRV-031": "journal revenu en arrière",
    "alarm_SRV-032": "horloge reculée", "alarm_SRV-033": "compteur arrêté", "alarm_SRV-044": "enregistrement déclaré perdu", "alarm_SRV-047": "erreur du serveur",
    "alarm_SRV-049": "trop d’enregistrements à côté", "alarm_SRV-066": "trop de demandes sans suite", "alarm_SRV-052": "autre montant", "alarm_SRV-053": "demande impossible à envoyer", "alarm_SRV-054": "acceptation tardive, annulée", "alarm_SRV-062": "payé deux fois", "alarm_SRV-064": "pas le montant du PV", "alarm_SRV-065": "paiement sans PV",
    alarm_BLOCK: "terminal bloqué ou débloqué", alarm_DEVICE: "liste des terminaux", alarm_KEYS: "clés du centre changées", alarm_TLS: "certificat bientôt expiré",
    "alarm_SRV-042": "base endommagée", "alarm_SRV-074": "le recalcul diffère", "alarm_SRV-075": "recalcul impossible", "alarm_SRV-076": "erreur inattendue du règlement",
    alarm_other: "à examiner",
    no_trace: "Posez une carte : chaque échange paraît ici.", no_ledger: "Le serveur ne répond pas.", unlinked: "La page a perdu le simulateur ; elle réessaie.",
    shortcuts: "Clavier : 0–9, Entrée = valider, Échap = annuler, Retour arrière = effacer, ↑ ↓, L langue · A B C D choisir un conducteur, M scanner, I poser ou reprendre le permis · X Y Z cartes bancaires · N réseau, P alimentation. Chaque action est aussi un appel REST : docs/page.md.",
    limits: "Clés, cartes et personnes inventées ; élément sécurisé logiciel ; aucun vrai paiement.",
    key_ok: "Valider", key_cancel: "Annuler", key_clear: "Effacer", key_up: "Haut", key_down: "Bas", key_lang: "Langue",
    currency: "DA", left: "essais restants : {n}", points: "{n} points", sent: "envoyés : {sent}, à envoyer : {pending}",
    screen_boot: "Démarrage", screen_login_number: "Matricule de l’agent", screen_login_pin: "Code secret de l’agent", screen_locked: "Compte bloqué",
    screen_home: "Menu principal", screen_syncing: "Synchronisation", screen_sync_done: "Synchronisation terminée", screen_shift_summary: "Bilan du service",
    screen_error: "Erreur {code}", screen_message: "Message", screen_confirm_abandon: "Abandonner ?", screen_confirm_close: "Clôturer le service ?", screen_confirm_out: "Fermer la session ?", screen_mrz_entry: "Permis : scanner le dos ou saisir",
    screen_licence_present: "Poser le permis sur le lecteur", screen_licence_progress: "Lecture du permis", screen_licence_verdict: "Verdict du permis",
    screen_plate_entry: "Plaque du véhicule", screen_offence_list: "Choix de l’infraction", screen_acknowledge: "Le conducteur prend acte",
    screen_licence_hand: "Remise du permis", screen_pay_choice: "1 payer maintenant, 2 plus tard",
    screen_card_present: "Présenter ou insérer la carte bancaire", screen_card_choose: "Choix de l’application", screen_card_pin: "Code de la carte",
    screen_card_busy: "La carte travaille", screen_card_message: "Lecteur sans contact", screen_card_remove: "Retirer la carte", screen_signature: "Signature à comparer", screen_outcome: "Résultat", screen_printing: "Impression",
    screen_interrupted: "Paiement interrompu : rien n’est pris",
    screen_unprinted: "Continuer sans le papier ?", screen_reprint: "Réimprimer : PV {pv} ?", screen_document_menu: "Autre document", screen_can_entry: "Numéro d’accès du permis (CAN)", screen_document_number: "Numéro du document",
    screen_category_list: "Catégorie exigée", screen_licence_unreadable: "Puce illisible : continuer d’après le document ?", screen_licence_portrait: "Photo du titulaire",
    screen_void_confirm: "Annuler le paiement ?", screen_void_result: "Annulation du paiement", screen_abandon_reason: "Motif de l’abandon",
    verdict_1: "authentique", verdict_2: "données authentiques", verdict_3: "données altérées", verdict_4: "émetteur inconnu",
    verdict_5: "clone suspecté", verdict_6: "puce illisible", verdict_7: "non vérifié",
    outcome_1: "accepté", outcome_2: "provisoire", outcome_3: "refusé", outcome_4: "interrompu",
    disposition_1: "rendre le permis", disposition_2: "retenir le permis", disposition_3: "le permis peut être rendu",
  },
  ar: {
    tagline: "جهاز الغرامات الجزافية — محاك", network: "الشبكة", power: "التغذية", drivers: "السائقون",
    cards: "البطاقات البنكية", terminal: "الجهاز", paper: "الورق", ledger: "الخادم المركزي", trace: "التبادلات مع الشرائح (APDU)",
    odd: "رخص فيها خلل", officer: "العون", unit: "الوحدة", pin: "الرمز", note: "ورقة العون",
    scan: "مسح ضوئي", lay: "وضع", take: "استرجاع", insert: "إدخال", tap: "تقريب", by_hand: "للكتابة باليد",
    number: "الرقم", birth: "الميلاد", expiry: "الصلاحية", plate: "اللوحة", categories: "الأصناف",
    licence_title: "رخصة السياقة", sample: "نموذج",
    bay_licence: "قارئ الرخصة (دون تلامس)", bay_payment: "فتحة البطاقة البنكية", bay_tap: "قارئ التقريب",
    risk_approve: "تقبل دون شبكة: مدفوعة وتعاد الرخصة", risk_online: "تسأل البنك: تقبل مع الشبكة، مؤقتة بدونها",
    risk_decline: "ترفض: لا يقتطع شيء", tries: "المحاولات المتبقية: {n}", blocked: "الرمز مقفل", unblock: "فتح القفل في البنك",
    odd_expired: "منتهية الصلاحية", odd_altered: "بيانات غيرت بعد التوقيع", "odd_unknown-issuer": "وقعها مجهول", "odd_wrong-mrz": "شريحة رخصة أخرى",
    paper_out: "نفاد الورق", cover: "الغطاء مفتوح", silent: "صامتة", tear: "تمزيق", no_paper: "لم يطبع شيء بعد.",
    paper_n: "الوصل رقم {n}، {time}", enlarge: "تكبير", close: "إغلاق",
    crashed: "توقف الجهاز من تلقاء نفسه", restart: "إعادة التشغيل", off: "مطفأ",
    balanced: "متوازن", unbalanced: "فارق", unchecked: "قيد التحقق", empty: "فارغ", paid: "محصل", awaited: "في الانتظار", refused: "رفض لاحقا", unpaid: "للدفع",
    cases: "المحاضر", cases_shown: "{shown} من {all}", postings: "القيود", device: "الجهاز", none: "لم يصل شيء إلى الخادم بعد.",
    pv: "المحضر", offence: "المخالفة", amount: "المبلغ", state: "الحالة", acked: "السجلات المستلمة: {acked} · آخر اتصال {time}", blocked: "موقوف منذ {time}",
    state_paid: "مدفوع", state_provisional: "مؤقت", state_declined: "مرفوض", state_unpaid: "غير مدفوع", state_held: "موقوف", state_abandoned: "ملغى", state_unlike: "مبلغ آخر",
    part_outcome: "دفع", part_final: "تسوية", part_reversal: "إلغاء", part_fork: "تفرع",
    part_gap: "فجوة", part_known: "خارج الفجوة", part_again: "عودة إلى المعلق", part_unseen: "تسوية دون دفع", part_stands: "تثبيت", part_decided: "قرار",
    account_receivable: "على بنك التحصيل · {scheme}", account_provisional: "في انتظار ترخيص البنك · {scheme}", account_missing: "سجلات ضائعة · {device}",
    account_treasury: "الخزينة · ولاية {wilaya}، {force}، {unit}", account_awaited: "في الانتظار لفائدة الخزينة · ولاية {wilaya}، {force}، {unit}",
    account_suspense: "معلق · ولاية {wilaya}، {force}، {unit}", force_1: "الشرطة", force_2: "الدرك الوطني",
    alarm_ACQUIRER: "رد بنك التحصيل", alarm_EPOCH: "حقبة جديدة", alarm_FAILED: "قرار بشأن طلب فاشل", alarm_FORK: "قرار في تفرع", alarm_GAP: "فجوة", alarm_HELD: "دفع موقوف",
    alarm_RECON: "حصيلة المناوبة", alarm_REFUND: "استرداد", alarm_RESTORED: "قاعدة بيانات مستعادة", alarm_REVERSAL: "إلغاء", alarm_SUSPENSE: "أموال معلقة",
    alarm_VOID: "إلغاء من العون", alarm_WAITING: "انتظار طويل", "alarm_SRV-028": "نتيجة مختلفة", "alarm_SRV-030": "تفرع", "alarm_SRV-031": "سجل عاد إلى الوراء",
    "alarm_SRV-032": "ساعة عادت إلى الوراء", "alarm_SRV-033": "عداد متوقف", "alarm_SRV-044": "قيد معلن ضياعه", "alarm_SRV-047": "خطأ في الخادم",
    "alarm_SRV-049": "قيود جانبية أكثر مما يحفظ", "alarm_SRV-066": "طلبات كثيرة بلا نتيجة", "alarm_SRV-052": "مبلغ مختلف", "alarm_SRV-053": "طلب يتعذر إرساله", "alarm_SRV-054": "قبول متأخر ألغي", "alarm_SRV-062": "دفع مرتين", "alarm_SRV-064": "ليس مبلغ المحضر", "alarm_SRV-065": "دفع بلا محضر",
    alarm_BLOCK: "جهاز أوقف أو أعيد", alarm_DEVICE: "قائمة الأجهزة", alarm_KEYS: "تغيرت مفاتيح المركز", alarm_TLS: "شهادة توشك أن تنتهي",
    "alarm_SRV-042": "قاعدة بيانات تالفة", "alarm_SRV-074": "إعادة الحساب تختلف", "alarm_SRV-075": "تعذرت إعادة الحساب", "alarm_SRV-076": "خطأ غير متوقع في التسوية",
    alarm_other: "للفحص",
    no_trace: "ضع بطاقة: يظهر كل تبادل هنا.", no_ledger: "الخادم لا يجيب.", unlinked: "فقدت الصفحة المحاكي وتعيد المحاولة.",
    shortcuts: "لوحة المفاتيح: 0–9، Enter تأكيد، Esc إلغاء، Backspace مسح، ↑ ↓، L اللغة · A B C D اختيار سائق، M مسح، I وضع الرخصة أو استرجاعها · X Y Z البطاقات البنكية · N الشبكة، P التغذية. كل فعل هو أيضا نداء REST: docs/page.md.",
    limits: "المفاتيح والبطاقات والأشخاص من نسج الخيال؛ العنصر الآمن برمجي؛ لا دفع حقيقيا.",
    key_ok: "تأكيد", key_cancel: "إلغاء", key_clear: "مسح", key_up: "أعلى", key_down: "أسفل", key_lang: "اللغة",
    currency: "دج", left: "المحاولات المتبقية: {n}", points: "النقاط: {n}", sent: "أرسل: {sent}، للإرسال: {pending}",
    screen_boot: "تشغيل", screen_login_number: "رقم العون", screen_login_pin: "الرمز السري للعون", screen_locked: "الحساب مقفل",
    screen_home: "القائمة الرئيسية", screen_syncing: "إرسال البيانات", screen_sync_done: "انتهى الإرسال", screen_shift_summary: "حصيلة المناوبة",
    screen_error: "خطأ {code}", screen_message: "رسالة", screen_confirm_abandon: "هل تتخلى؟", screen_confirm_close: "هل تقفل المناوبة؟", screen_confirm_out: "تسجيل الخروج؟", screen_mrz_entry: "الرخصة: امسح ظهرها أو اكتب",
    screen_licence_present: "ضع الرخصة على القارئ", screen_licence_progress: "قراءة الرخصة", screen_licence_verdict: "نتيجة فحص الرخصة",
    screen_plate_entry: "لوحة المركبة", screen_offence_list: "اختيار المخالفة", screen_acknowledge: "اطلاع السائق",
    screen_licence_hand: "تسليم الرخصة", screen_pay_choice: "1 الدفع الآن، 2 لاحقا",
    screen_card_present: "قرب البطاقة البنكية أو أدخلها", screen_card_choose: "اختيار التطبيق", screen_card_pin: "رمز البطاقة",
    screen_card_busy: "البطاقة تعمل", screen_card_message: "قارئ التقريب", screen_card_remove: "اسحب البطاقة", screen_signature: "مقارنة التوقيع", screen_outcome: "النتيجة", screen_printing: "طباعة",
    screen_interrupted: "انقطع الدفع: لم يقتطع شيء",
    screen_unprinted: "المتابعة دون ورقة؟", screen_reprint: "طباعة نسخة ثانية: {pv}؟", screen_document_menu: "وثيقة أخرى", screen_can_entry: "رقم الدخول إلى الرخصة (CAN)", screen_document_number: "رقم الوثيقة",
    screen_category_list: "الصنف المطلوب", screen_licence_unreadable: "شريحة غير مقروءة: المتابعة اعتمادا على الوثيقة؟", screen_licence_portrait: "صورة صاحب الرخصة",
    screen_void_confirm: "هل يلغى الدفع؟", screen_void_result: "إلغاء الدفع", screen_abandon_reason: "سبب إلغاء الملف",
    verdict_1: "أصلية", verdict_2: "بيانات أصلية", verdict_3: "بيانات محرفة", verdict_4: "جهة إصدار غير معروفة", verdict_5: "شريحة يشتبه في نسخها",
    verdict_6: "شريحة غير مقروءة", verdict_7: "لم يتحقق منها",
    outcome_1: "مقبول", outcome_2: "مؤقت", outcome_3: "مرفوض", outcome_4: "منقطع",
    disposition_1: "أعد الرخصة", disposition_2: "احتفظ بالرخصة", disposition_3: "يمكن إعادة الرخصة",
  },
  en: {
    tagline: "Terminal for roadside fines — simulator", network: "Network", power: "Power", drivers: "Drivers",
    cards: "Bank cards", terminal: "The terminal", paper: "Paper", ledger: "Central server", trace: "What the chips say (APDU)",
    odd: "Licences with a problem", officer: "Officer", unit: "Unit", pin: "PIN", note: "The officer’s note",
    scan: "Scan", lay: "Lay on", take: "Take back", insert: "Insert", tap: "Tap", by_hand: "To type by hand",
    number: "Number", birth: "Birth", expiry: "Expiry", plate: "Plate", categories: "Categories",
    licence_title: "Driving licence", sample: "SPECIMEN",
    bay_licence: "Licence reader (contactless)", bay_payment: "Bank card slot", bay_tap: "Contactless reader",
    risk_approve: "Approves offline: paid, licence returned", risk_online: "Asks its bank: approved online, provisional without a network",
    risk_decline: "Declines: nothing is taken", tries: "tries left: {n}", blocked: "PIN blocked", unblock: "Unblock at the bank",
    odd_expired: "Expired", odd_altered: "Data changed after signing", "odd_unknown-issuer": "Signed by a stranger", "odd_wrong-mrz": "Another licence’s chip",
    paper_out: "Paper out", cover: "Cover open", silent: "Silent", tear: "Tear off", no_paper: "Nothing printed yet.",
    paper_n: "Receipt no. {n}, {time}", enlarge: "enlarge", close: "Close",
    crashed: "The terminal stopped by itself", restart: "Restart", off: "Off",
    balanced: "balanced", unbalanced: "difference", unchecked: "being checked", empty: "empty", paid: "Collected", awaited: "Awaited", refused: "Refused later", unpaid: "To pay",
    cases: "Reports", cases_shown: "{shown} of {all}", postings: "Postings", device: "Terminal", none: "Nothing has reached the server yet.",
    pv: "Report", offence: "Offence", amount: "Amount", state: "State", acked: "{acked} records received · last contact {time}", blocked: "blocked since {time}",
    state_paid: "paid", state_provisional: "provisional", state_declined: "declined", state_unpaid: "unpaid", state_held: "held", state_abandoned: "abandoned", state_unlike: "another amount",
    part_outcome: "payment", part_final: "settlement", part_reversal: "reversal", part_fork: "fork",
    part_gap: "gap", part_known: "out of the gap", part_again: "in suspense again", part_unseen: "settlement alone", part_stands: "stands", part_decided: "decision",
    account_receivable: "Owed by the acquirer · {scheme}", account_provisional: "Authorisations awaited · {scheme}", account_missing: "Lost records · {device}",
    account_treasury: "Treasury · wilaya {wilaya}, {force}, {unit}", account_awaited: "Awaited for the Treasury · wilaya {wilaya}, {force}, {unit}",
    account_suspense: "In suspense · wilaya {wilaya}, {force}, {unit}", force_1: "police", force_2: "gendarmerie",
    alarm_ACQUIRER: "acquirer’s answer", alarm_EPOCH: "new epoch", alarm_FAILED: "decision about a failed request", alarm_FORK: "decision about a fork", alarm_GAP: "gap", alarm_HELD: "payment held",
    alarm_RECON: "shift’s totals", alarm_REFUND: "refund", alarm_RESTORED: "database restored", alarm_REVERSAL: "reversal", alarm_SUSPENSE: "money in suspense",
    alarm_VOID: "void by the officer", alarm_WAITING: "waits too long", "alarm_SRV-028": "another result", "alarm_SRV-030": "fork", "alarm_SRV-031": "journal went back",
    "alarm_SRV-032": "clock went back", "alarm_SRV-033": "counter stands still", "alarm_SRV-044": "record that was declared lost", "alarm_SRV-047": "the server’s fault",
    "alarm_SRV-049": "too many records beside the chain", "alarm_SRV-066": "too many questions without an outcome", "alarm_SRV-052": "another amount", "alarm_SRV-053": "cannot be sent", "alarm_SRV-054": "late approval, reversed", "alarm_SRV-062": "paid twice", "alarm_SRV-064": "not the notice’s amount", "alarm_SRV-065": "payment without a notice",
    alarm_BLOCK: "terminal blocked or unblocked", alarm_DEVICE: "list of terminals", alarm_KEYS: "the centre’s keys changed", alarm_TLS: "certificate about to end",
    "alarm_SRV-042": "database damaged", "alarm_SRV-074": "recomputation differs", "alarm_SRV-075": "no recomputation", "alarm_SRV-076": "unexpected fault while settling",
    alarm_other: "to be looked at",
    no_trace: "Present a card: every exchange shows here.", no_ledger: "The server does not answer.", unlinked: "The page lost the simulator; it tries again.",
    shortcuts: "Keyboard: 0–9, Enter = OK, Esc = cancel, Backspace = clear, ↑ ↓, L language · A B C D choose a driver, M scan, I lay on or take back the licence · X Y Z bank cards · N network, P power. Every action is a REST call too: docs/page.md.",
    limits: "Invented keys, cards and people; the secure element is software; no real payment.",
    key_ok: "OK", key_cancel: "Cancel", key_clear: "Clear", key_up: "Up", key_down: "Down", key_lang: "Language",
    currency: "DA", left: "attempts left: {n}", points: "{n} points", sent: "sent: {sent}, to send: {pending}",
    screen_boot: "Starting", screen_login_number: "Officer’s number", screen_login_pin: "Officer’s PIN", screen_locked: "Account locked",
    screen_home: "Main menu", screen_syncing: "Synchronising", screen_sync_done: "Synchronised", screen_shift_summary: "Shift summary",
    screen_error: "Error {code}", screen_message: "Message", screen_confirm_abandon: "Abandon?", screen_confirm_close: "Close the shift?", screen_confirm_out: "Log out?", screen_mrz_entry: "Licence: scan its back, or type",
    screen_licence_present: "Lay the licence on the reader", screen_licence_progress: "Reading the licence", screen_licence_verdict: "Verdict on the licence",
    screen_plate_entry: "Number plate", screen_offence_list: "Choose the offence", screen_acknowledge: "The driver acknowledges",
    screen_licence_hand: "The licence", screen_pay_choice: "1 pay now, 2 pay later",
    screen_card_present: "Tap or insert the bank card", screen_card_choose: "Choose the application", screen_card_pin: "The card’s PIN",
    screen_card_busy: "The card works", screen_card_message: "Contactless reader", screen_card_remove: "Remove the card", screen_signature: "Compare the signature", screen_outcome: "Outcome", screen_printing: "Printing",
    screen_interrupted: "Payment interrupted: nothing was taken",
    screen_unprinted: "Go on without the paper?", screen_reprint: "Print again: report {pv}?", screen_document_menu: "Another document", screen_can_entry: "The licence’s access number (CAN)", screen_document_number: "The document’s number",
    screen_category_list: "Category required", screen_licence_unreadable: "Chip unreadable: go on from the document?", screen_licence_portrait: "The holder’s portrait",
    screen_void_confirm: "Void the payment?", screen_void_result: "Void of the payment", screen_abandon_reason: "Why the case is abandoned",
    verdict_1: "genuine", verdict_2: "data genuine", verdict_3: "altered data", verdict_4: "unknown issuer", verdict_5: "clone suspected",
    verdict_6: "chip unreadable", verdict_7: "not verified",
    outcome_1: "approved", outcome_2: "provisional", outcome_3: "declined", outcome_4: "interrupted",
    disposition_1: "return the licence", disposition_2: "retain the licence", disposition_3: "the licence may be returned",
  },
};

export const LANGUAGES = Object.keys(TEXTS);
let language = "fr";

export function t(key, fields = {}) {
  const text = TEXTS[language][key] ?? key;
  return text.replace(/\{(\w+)\}/g, (_, name) => fields[name] ?? "");
}

export function has(key) {
  return key in TEXTS[language];
}

export function currentLanguage() {
  return language;
}

export function setLanguage(chosen) {
  language = LANGUAGES.includes(chosen) ? chosen : "fr";
  document.documentElement.lang = language;
  document.documentElement.dir = language === "ar" ? "rtl" : "ltr";
  for (const element of document.querySelectorAll("[data-t]")) element.textContent = t(element.dataset.t);
  for (const element of document.querySelectorAll("[data-key]")) {
    const named = has(`key_${element.dataset.key}`);
    element.setAttribute("aria-label", named ? t(`key_${element.dataset.key}`) : element.dataset.key);
    if (named) element.title = t(`key_${element.dataset.key}`);
  }
  for (const element of document.querySelectorAll("[data-lang]")) element.setAttribute("aria-pressed", String(element.dataset.lang === language));
}

// An amount as the terminal's screen and the paper write it, in every language: 5 000,00 DA.
export function money(centimes) {
  const digits = (centimes / 100).toLocaleString("fr-FR", { minimumFractionDigits: 2 });
  return `\u2068\u2066${digits.replace(/\u202f/g, "\u00a0")}\u2069\u00a0${t("currency")}\u2069`;
}

export function clock(seconds) {
  return new Date(seconds * 1000).toLocaleTimeString("fr-FR", { hour: "2-digit", minute: "2-digit", second: "2-digit" });
}
