BEGIN TRANSACTION;
CREATE TABLE bench_schema (
	version_num VARCHAR(32) NOT NULL, 
	CONSTRAINT bench_schema_pkc PRIMARY KEY (version_num)
);
INSERT INTO "bench_schema" VALUES('0002');
CREATE TABLE environments (
	digest TEXT NOT NULL, 
	document JSON NOT NULL, 
	CONSTRAINT pk_environments PRIMARY KEY (digest)
);
INSERT INTO "environments" VALUES('47e307fe36609f2df8e66ee67a36fc02f029f78934bf866631f7642fdbfecf87','{"device": "CPU of the tests", "torch": "2.14.1"}');
CREATE TABLE outcomes (
	shard INTEGER NOT NULL, 
	position INTEGER NOT NULL, 
	sample INTEGER NOT NULL, 
	label INTEGER NOT NULL, 
	clean JSON NOT NULL, 
	perturbed JSON NOT NULL, 
	distance DOUBLE NOT NULL, 
	radius DOUBLE, minimal DOUBLE, broken_at INTEGER, 
	CONSTRAINT pk_outcomes PRIMARY KEY (shard, position), 
	CONSTRAINT fk_outcomes_shard_shards FOREIGN KEY(shard) REFERENCES shards (id) ON DELETE CASCADE
);
INSERT INTO "outcomes" VALUES(1,0,746,7,'[7]','[7]',5.00000119209289550781e-02,NULL,NULL,-1);
INSERT INTO "outcomes" VALUES(1,1,151,5,'[5]','[5]',5.00000119209289550781e-02,NULL,NULL,-1);
INSERT INTO "outcomes" VALUES(2,0,865,4,'[4]','[4]',5.00000119209289550781e-02,NULL,NULL,-1);
INSERT INTO "outcomes" VALUES(2,1,616,1,'[1]','[1]',5.00000119209289550781e-02,NULL,NULL,-1);
INSERT INTO "outcomes" VALUES(3,0,746,7,'[7]','[7]',5.00000119209289550781e-02,NULL,NULL,NULL);
INSERT INTO "outcomes" VALUES(3,1,151,5,'[5]','[5]',5.00000119209289550781e-02,NULL,NULL,NULL);
INSERT INTO "outcomes" VALUES(4,0,865,4,'[4]','[4]',5.00000119209289550781e-02,NULL,NULL,NULL);
INSERT INTO "outcomes" VALUES(4,1,616,1,'[1]','[1]',5.00000119209289550781e-02,NULL,NULL,NULL);
INSERT INTO "outcomes" VALUES(5,0,746,7,'[7]','[5]',4.82408366234746144307e-01,NULL,4.82408366234746144307e-01,9);
INSERT INTO "outcomes" VALUES(5,1,151,5,'[5]','[6]',8.0992908261822182947e-01,NULL,8.0992908261822182947e-01,29);
INSERT INTO "outcomes" VALUES(6,0,865,4,'[4]','[3]',5.2879844251710772518e-01,NULL,5.2879844251710772518e-01,10);
INSERT INTO "outcomes" VALUES(6,1,616,1,'[1]','[4]',4.94811875429702452411e-01,NULL,4.94811875429702452411e-01,15);
INSERT INTO "outcomes" VALUES(7,0,746,7,'[7]','[5]',0.0400439016520977,NULL,NULL,4);
INSERT INTO "outcomes" VALUES(7,1,151,5,'[5]','[5]',5.00000007450580596923e-02,NULL,NULL,-1);
INSERT INTO "outcomes" VALUES(8,0,865,4,'[4]','[9]',5.00000007450580596923e-02,NULL,NULL,5);
INSERT INTO "outcomes" VALUES(8,1,616,1,'[1]','[4]',5.00000007450580596923e-02,NULL,NULL,7);
INSERT INTO "outcomes" VALUES(9,0,746,7,'[7]','[7]',0.0,3.1033493784314086783e-01,NULL,NULL);
INSERT INTO "outcomes" VALUES(9,1,151,5,'[5]','[5]',0.0,2.24886530839673359771e-01,NULL,NULL);
INSERT INTO "outcomes" VALUES(10,0,865,4,'[4]','[4]',0.0,3.75118756030158928549e-01,NULL,NULL);
INSERT INTO "outcomes" VALUES(10,1,616,1,'[1]','[1]',0.0,3.37314759701515920475e-01,NULL,NULL);
INSERT INTO "outcomes" VALUES(11,0,746,7,'[7]','[7]',3.0,NULL,NULL,NULL);
INSERT INTO "outcomes" VALUES(11,1,151,5,'[5]','[5]',3.0,NULL,NULL,NULL);
INSERT INTO "outcomes" VALUES(12,0,865,4,'[4]','[4]',3.0,NULL,NULL,NULL);
INSERT INTO "outcomes" VALUES(12,1,616,1,'[1]','[1]',3.0,NULL,NULL,NULL);
CREATE TABLE plans (
	digest TEXT NOT NULL, 
	defense TEXT NOT NULL, 
	attack TEXT NOT NULL, 
	source TEXT, 
	dataset TEXT NOT NULL, 
	document JSON NOT NULL, 
	created DATETIME NOT NULL, 
	CONSTRAINT pk_plans PRIMARY KEY (digest)
);
INSERT INTO "plans" VALUES('cd80ca9793e5a473a8502f146e4f65592708c4b311c677e65832dbe097e17b02','resnet','pgd-linf',NULL,'digits','{"defense": {"name": "resnet", "params": {"weights": null}, "version": "1", "weights": {"network": "01daf8a89db38d9397c85e0010c7c378a7aa48eb1689e7a5f561df7e8f4be292"}}, "attack": {"name": "pgd-linf", "params": {"steps": 40, "step_size": "2/255", "random_start": true, "restarts": 1, "draws": 1}, "version": "1", "weights": {}}, "source": null, "dataset": {"name": "digits", "params": {}, "version": "1", "weights": {}}, "size": 1024, "images": "33a139cc03a03f1bf810dff0b850a6421144ddceba6bec5cad9944c60f1a8c74", "threat": {"norm": "linf", "epsilon": "1/20"}, "knowledge": "white-box", "samples": 4, "sampling": "random", "sample_seed": 2024, "shard_size": 2, "seed": 0, "draws": 1, "precision": "float32"}','2026-11-26 11:13:07.176711');
INSERT INTO "plans" VALUES('d29f40bd5643c415af2147b19f8f801235dcdb666818595468ac3be534658d18','vit','pgd-linf','resnet','digits','{"defense": {"name": "vit", "params": {"weights": null}, "version": "1", "weights": {"network": "a8659193fa95c4a9d8bef29de4f2cb0d566daa8cf9ee81fce817ed62422252fa"}}, "attack": {"name": "pgd-linf", "params": {"steps": 40, "step_size": "2/255", "random_start": true, "restarts": 1, "draws": 1}, "version": "1", "weights": {}}, "source": {"name": "resnet", "params": {"weights": null}, "version": "1", "weights": {"network": "01daf8a89db38d9397c85e0010c7c378a7aa48eb1689e7a5f561df7e8f4be292"}}, "dataset": {"name": "digits", "params": {}, "version": "1", "weights": {}}, "size": 1024, "images": "33a139cc03a03f1bf810dff0b850a6421144ddceba6bec5cad9944c60f1a8c74", "threat": {"norm": "linf", "epsilon": "1/20"}, "knowledge": "white-box", "samples": 4, "sampling": "random", "sample_seed": 2024, "shard_size": 2, "seed": 0, "draws": 1, "precision": "float32"}','2026-11-26 11:13:13.552147');
INSERT INTO "plans" VALUES('fe1d9c97ef172078e5d186422c44e63c3a35f119fbe99e8d53afe113660ffcd3','resnet','cw-l2',NULL,'digits','{"defense": {"name": "resnet", "params": {"weights": null}, "version": "1", "weights": {"network": "01daf8a89db38d9397c85e0010c7c378a7aa48eb1689e7a5f561df7e8f4be292"}}, "attack": {"name": "cw-l2", "params": {"search_steps": 3, "steps": 60, "initial_constant": 1.0, "learning_rate": 0.05, "confidence": 0.0, "abort_early": true}, "version": "1", "weights": {}}, "source": null, "dataset": {"name": "digits", "params": {}, "version": "1", "weights": {}}, "size": 1024, "images": "33a139cc03a03f1bf810dff0b850a6421144ddceba6bec5cad9944c60f1a8c74", "threat": {"norm": "l2", "epsilon": "1"}, "knowledge": "white-box", "samples": 4, "sampling": "random", "sample_seed": 2024, "shard_size": 2, "seed": 0, "draws": 1, "precision": "float32"}','2026-11-26 11:13:17.720375');
INSERT INTO "plans" VALUES('7cddae2484e9f7fb59c0ceef2a5b744feabb3a1d8c133f294fa926a3d3143561','resnet','stadv',NULL,'digits','{"defense": {"name": "resnet", "params": {"weights": null}, "version": "1", "weights": {"network": "01daf8a89db38d9397c85e0010c7c378a7aa48eb1689e7a5f561df7e8f4be292"}}, "attack": {"name": "stadv", "params": {"steps": 100, "learning_rate": 0.01, "smoothness": 0.0025, "draws": 1}, "version": "1", "weights": {}}, "source": null, "dataset": {"name": "digits", "params": {}, "version": "1", "weights": {}}, "size": 1024, "images": "33a139cc03a03f1bf810dff0b850a6421144ddceba6bec5cad9944c60f1a8c74", "threat": {"norm": "flow", "epsilon": "1/20"}, "knowledge": "white-box", "samples": 4, "sampling": "random", "sample_seed": 2024, "shard_size": 2, "seed": 0, "draws": 1, "precision": "float32"}','2026-11-26 11:13:21.564965');
INSERT INTO "plans" VALUES('872b04466c630a180649974db4af77dece040391f8a7d6e1103063b7f89a8179','smoothing','certify-l2',NULL,'digits','{"defense": {"name": "smoothing", "params": {"weights": null, "sigma": 0.25, "draws": 100, "alpha": 0.001, "copies": 4}, "version": "1", "weights": {"network": "911c4f3d776a361591b54a51138de1ad890a9072d055d0692da01cac66eaf710"}}, "attack": {"name": "certify-l2", "params": {"n0": 100, "n": 100, "alpha": 0.001}, "version": "1", "weights": {}}, "source": null, "dataset": {"name": "digits", "params": {}, "version": "1", "weights": {}}, "size": 1024, "images": "33a139cc03a03f1bf810dff0b850a6421144ddceba6bec5cad9944c60f1a8c74", "threat": {"norm": "l2", "epsilon": "1/20"}, "knowledge": "certified", "samples": 4, "sampling": "random", "sample_seed": 2024, "shard_size": 2, "seed": 0, "draws": 1, "precision": "float32"}','2026-11-26 11:13:25.491069');
INSERT INTO "plans" VALUES('9dab0a10870aa43c0ef47c9fce48de08bf68cb96521b1e38589d64df957ee2a5','resnet','corruption',NULL,'digits','{"defense": {"name": "resnet", "params": {"weights": null}, "version": "1", "weights": {"network": "01daf8a89db38d9397c85e0010c7c378a7aa48eb1689e7a5f561df7e8f4be292"}}, "attack": {"name": "corruption", "params": {"kind": "gaussian_noise"}, "version": "1", "weights": {}}, "source": null, "dataset": {"name": "digits", "params": {}, "version": "1", "weights": {}}, "size": 1024, "images": "33a139cc03a03f1bf810dff0b850a6421144ddceba6bec5cad9944c60f1a8c74", "threat": {"norm": "corruption", "epsilon": "3"}, "knowledge": "black-box", "samples": 4, "sampling": "random", "sample_seed": 2024, "shard_size": 2, "seed": 0, "draws": 1, "precision": "float32"}','2026-11-26 11:13:29.146064');
CREATE TABLE shards (
	id INTEGER NOT NULL, 
	"plan" TEXT NOT NULL, 
	number INTEGER NOT NULL, 
	environment TEXT NOT NULL, 
	perturbed_sha256 TEXT NOT NULL, 
	invalid TEXT, 
	remarks JSON NOT NULL, 
	forwards BIGINT NOT NULL, 
	backwards BIGINT NOT NULL, 
	seconds DOUBLE NOT NULL, 
	peak_memory BIGINT NOT NULL, 
	finished DATETIME NOT NULL, 
	CONSTRAINT pk_shards PRIMARY KEY (id), 
	CONSTRAINT fk_shards_plan_plans FOREIGN KEY("plan") REFERENCES plans (digest), 
	CONSTRAINT fk_shards_environment_environments FOREIGN KEY(environment) REFERENCES environments (digest), 
	CONSTRAINT uq_shards_plan_number UNIQUE ("plan", number)
);
INSERT INTO "shards" VALUES(1,'cd80ca9793e5a473a8502f146e4f65592708c4b311c677e65832dbe097e17b02',0,'47e307fe36609f2df8e66ee67a36fc02f029f78934bf866631f7642fdbfecf87','5f8300dec8bb84eee71222e491a0355799c1aba086abc38ada5e7daadd09cee5',NULL,'[]',80,80,8.74532010000166337704e-02,613568512,'2026-11-26 11:13:07.180959');
INSERT INTO "shards" VALUES(2,'cd80ca9793e5a473a8502f146e4f65592708c4b311c677e65832dbe097e17b02',1,'47e307fe36609f2df8e66ee67a36fc02f029f78934bf866631f7642fdbfecf87','2e3718de8bbb64b9b7d27801dd35e3396b32e7040262495dd8a1cb01ec50735e',NULL,'[]',80,80,8.38225719999172724783e-02,614223872,'2026-11-26 11:13:07.274748');
INSERT INTO "shards" VALUES(3,'d29f40bd5643c415af2147b19f8f801235dcdb666818595468ac3be534658d18',0,'47e307fe36609f2df8e66ee67a36fc02f029f78934bf866631f7642fdbfecf87','5f8300dec8bb84eee71222e491a0355799c1aba086abc38ada5e7daadd09cee5',NULL,'[]',0,0,1.24638749999803621903e-02,846254080,'2026-11-26 11:13:13.555778');
INSERT INTO "shards" VALUES(4,'d29f40bd5643c415af2147b19f8f801235dcdb666818595468ac3be534658d18',1,'47e307fe36609f2df8e66ee67a36fc02f029f78934bf866631f7642fdbfecf87','2e3718de8bbb64b9b7d27801dd35e3396b32e7040262495dd8a1cb01ec50735e',NULL,'[]',0,0,7.98309900005733652506e-03,846647296,'2026-11-26 11:13:13.571865');
INSERT INTO "shards" VALUES(5,'fe1d9c97ef172078e5d186422c44e63c3a35f119fbe99e8d53afe113660ffcd3',0,'47e307fe36609f2df8e66ee67a36fc02f029f78934bf866631f7642fdbfecf87','f47e7a4507a1afe18b2d718f503fe6ea1017a736929d6d52747da6db260cbdcd',NULL,'[]',245,243,3.04170971999951689213e-01,605941760,'2026-11-26 11:13:17.724610');
INSERT INTO "shards" VALUES(6,'fe1d9c97ef172078e5d186422c44e63c3a35f119fbe99e8d53afe113660ffcd3',1,'47e307fe36609f2df8e66ee67a36fc02f029f78934bf866631f7642fdbfecf87','2efc6a55ad2476d906bc0b167867df442f034aca99923cc84b7e21742cca704e',NULL,'[]',276,274,4.43479282999987844959e-01,606466048,'2026-11-26 11:13:18.178152');
INSERT INTO "shards" VALUES(7,'7cddae2484e9f7fb59c0ceef2a5b744feabb3a1d8c133f294fa926a3d3143561',0,'47e307fe36609f2df8e66ee67a36fc02f029f78934bf866631f7642fdbfecf87','3a994394eafea2b122f84270e28ebcf46f4e49fb8603174fa03d6601e9b811c2',NULL,'[]',108,106,1.80330123999965508119e-01,605896704,'2026-11-26 11:13:21.568641');
INSERT INTO "shards" VALUES(8,'7cddae2484e9f7fb59c0ceef2a5b744feabb3a1d8c133f294fa926a3d3143561',1,'47e307fe36609f2df8e66ee67a36fc02f029f78934bf866631f7642fdbfecf87','abf843ee3450b01812871c1b5ee6a4e6f755bd6694f7e33509d6984c26bc6482',NULL,'[]',22,20,4.2500671000084366824e-02,606289920,'2026-11-26 11:13:21.620162');
INSERT INTO "shards" VALUES(9,'872b04466c630a180649974db4af77dece040391f8a7d6e1103063b7f89a8179',0,'47e307fe36609f2df8e66ee67a36fc02f029f78934bf866631f7642fdbfecf87','0644c13a8a5575f85c8313f5f57290e18ece911b49444fe17443cfaf078107df',NULL,'[]',400,0,1.94881068999961826193e-01,600829952,'2026-11-26 11:13:25.495202');
INSERT INTO "shards" VALUES(10,'872b04466c630a180649974db4af77dece040391f8a7d6e1103063b7f89a8179',1,'47e307fe36609f2df8e66ee67a36fc02f029f78934bf866631f7642fdbfecf87','d9bee2d23253c304fcf49b3b07c44a6d7ae8cd63395ba82f70025bbbe977718c',NULL,'[]',400,0,1.89334005999967303068e-01,601223168,'2026-11-26 11:13:25.694868');
INSERT INTO "shards" VALUES(11,'9dab0a10870aa43c0ef47c9fce48de08bf68cb96521b1e38589d64df957ee2a5',0,'47e307fe36609f2df8e66ee67a36fc02f029f78934bf866631f7642fdbfecf87','e060f1dac6e6ca4ded8f64f1a3c4a98dd750c5a32707409ab9b405ec23797a99',NULL,'[]',0,0,1.87780304000057185476e-01,615972864,'2026-11-26 11:13:29.148395');
INSERT INTO "shards" VALUES(12,'9dab0a10870aa43c0ef47c9fce48de08bf68cb96521b1e38589d64df957ee2a5',1,'47e307fe36609f2df8e66ee67a36fc02f029f78934bf866631f7642fdbfecf87','a751bc41fd29553fd847dc40c90d016eeece282fb6da8edbf0f01c343f4c6f10',NULL,'[]',0,0,4.64490199999545438913e-03,616366080,'2026-11-26 11:13:29.158611');
COMMIT;
