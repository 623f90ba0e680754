{
	"patcher": {
		"fileversion": 1,
		"appversion": {
			"major": 8,
			"minor": 0,
			"revision": 0,
			"architecture": "x64",
			"modernui": 1
		},
		"classnamespace": "box",
		"rect": [80.0, 80.0, 900.0, 640.0],
		"gridsize": [15.0, 15.0],
		"boxes": [
			{
				"box": {
					"id": "obj-1",
					"maxclass": "comment",
					"numinlets": 1,
					"numoutlets": 0,
					"patching_rect": [20.0, 10.0, 820.0, 20.0],
					"text": "stems PORT REPLY_PORT: separates music through `stemtool serve`. How to use it: stems.maxhelp."
				}
			},
			{
				"box": {
					"id": "obj-2",
					"maxclass": "comment",
					"numinlets": 1,
					"numoutlets": 0,
					"patching_rect": [20.0, 30.0, 820.0, 20.0],
					"text": "This could only be checked as JSON and for its connections, not in Max. The Pd patch of the same shape runs in tests."
				}
			},
			{
				"box": {
					"id": "obj-3",
					"maxclass": "inlet",
					"numinlets": 0,
					"numoutlets": 1,
					"patching_rect": [20.0, 70.0, 30.0, 30.0],
					"outlettype": [""],
					"index": 1,
					"comment": "separate, options, model, cancel"
				}
			},
			{
				"box": {
					"id": "obj-4",
					"maxclass": "newobj",
					"numinlets": 5,
					"numoutlets": 5,
					"patching_rect": [20.0, 115.0, 260.0, 22.0],
					"outlettype": ["", "", "", "", ""],
					"text": "route separate options model cancel"
				}
			},
			{
				"box": {
					"id": "obj-5",
					"maxclass": "newobj",
					"numinlets": 1,
					"numoutlets": 2,
					"patching_rect": [20.0, 150.0, 90.0, 22.0],
					"outlettype": ["", ""],
					"text": "unpack s s"
				}
			},
			{
				"box": {
					"id": "obj-6",
					"maxclass": "newobj",
					"numinlets": 1,
					"numoutlets": 2,
					"patching_rect": [130.0, 190.0, 140.0, 22.0],
					"outlettype": ["", ""],
					"text": "conformpath slash boot"
				}
			},
			{
				"box": {
					"id": "obj-7",
					"maxclass": "newobj",
					"numinlets": 1,
					"numoutlets": 4,
					"patching_rect": [20.0, 220.0, 90.0, 22.0],
					"outlettype": ["", "", "", ""],
					"text": "t b b b s"
				}
			},
			{
				"box": {
					"id": "obj-8",
					"maxclass": "newobj",
					"numinlets": 1,
					"numoutlets": 2,
					"patching_rect": [290.0, 255.0, 140.0, 22.0],
					"outlettype": ["", ""],
					"text": "conformpath slash boot"
				}
			},
			{
				"box": {
					"id": "obj-9",
					"maxclass": "newobj",
					"numinlets": 2,
					"numoutlets": 1,
					"patching_rect": [190.0, 290.0, 60.0, 22.0],
					"outlettype": [""],
					"text": "int #2"
				}
			},
			{
				"box": {
					"id": "obj-10",
					"maxclass": "newobj",
					"numinlets": 1,
					"numoutlets": 1,
					"patching_rect": [190.0, 325.0, 340.0, 22.0],
					"outlettype": [""],
					"text": "sprintf /stems/hello max 1 0 osc.udp://127.0.0.1:%ld"
				}
			},
			{
				"box": {
					"id": "obj-11",
					"maxclass": "newobj",
					"numinlets": 1,
					"numoutlets": 2,
					"patching_rect": [110.0, 360.0, 60.0, 22.0],
					"outlettype": ["", ""],
					"text": "t b b"
				}
			},
			{
				"box": {
					"id": "obj-12",
					"maxclass": "newobj",
					"numinlets": 2,
					"numoutlets": 1,
					"patching_rect": [160.0, 395.0, 110.0, 22.0],
					"outlettype": [""],
					"text": "random 1000000"
				}
			},
			{
				"box": {
					"id": "obj-13",
					"maxclass": "newobj",
					"numinlets": 2,
					"numoutlets": 1,
					"patching_rect": [20.0, 395.0, 110.0, 22.0],
					"outlettype": [""],
					"text": "random 1000000"
				}
			},
			{
				"box": {
					"id": "obj-14",
					"maxclass": "newobj",
					"numinlets": 2,
					"numoutlets": 1,
					"patching_rect": [20.0, 430.0, 180.0, 22.0],
					"outlettype": [""],
					"text": "sprintf symout max-%ld-%ld"
				}
			},
			{
				"box": {
					"id": "obj-15",
					"maxclass": "newobj",
					"numinlets": 1,
					"numoutlets": 2,
					"patching_rect": [20.0, 465.0, 60.0, 22.0],
					"outlettype": ["", ""],
					"text": "t s s"
				}
			},
			{
				"box": {
					"id": "obj-16",
					"maxclass": "newobj",
					"numinlets": 7,
					"numoutlets": 1,
					"patching_rect": [20.0, 500.0, 220.0, 22.0],
					"outlettype": [""],
					"text": "pack s s s 0 -1 s s"
				}
			},
			{
				"box": {
					"id": "obj-17",
					"maxclass": "newobj",
					"numinlets": 1,
					"numoutlets": 1,
					"patching_rect": [20.0, 535.0, 160.0, 22.0],
					"outlettype": [""],
					"text": "prepend /stems/separate"
				}
			},
			{
				"box": {
					"id": "obj-18",
					"maxclass": "newobj",
					"numinlets": 1,
					"numoutlets": 0,
					"patching_rect": [20.0, 600.0, 160.0, 22.0],
					"text": "udpsend 127.0.0.1 #1"
				}
			},
			{
				"box": {
					"id": "obj-19",
					"maxclass": "newobj",
					"numinlets": 2,
					"numoutlets": 2,
					"patching_rect": [300.0, 430.0, 60.0, 22.0],
					"outlettype": ["", ""],
					"text": "zl.reg"
				}
			},
			{
				"box": {
					"id": "obj-20",
					"maxclass": "newobj",
					"numinlets": 1,
					"numoutlets": 1,
					"patching_rect": [300.0, 465.0, 140.0, 22.0],
					"outlettype": [""],
					"text": "prepend /stems/cancel"
				}
			},
			{
				"box": {
					"id": "obj-21",
					"maxclass": "newobj",
					"numinlets": 1,
					"numoutlets": 1,
					"patching_rect": [430.0, 80.0, 70.0, 22.0],
					"outlettype": [""],
					"text": "loadbang"
				}
			},
			{
				"box": {
					"id": "obj-22",
					"maxclass": "message",
					"numinlets": 2,
					"numoutlets": 1,
					"patching_rect": [430.0, 115.0, 30.0, 22.0],
					"outlettype": [""],
					"text": "\"\""
				}
			},
			{
				"box": {
					"id": "obj-23",
					"maxclass": "comment",
					"numinlets": 1,
					"numoutlets": 0,
					"patching_rect": [470.0, 115.0, 330.0, 20.0],
					"text": "the server's own model, and no options"
				}
			},
			{
				"box": {
					"id": "obj-24",
					"maxclass": "newobj",
					"numinlets": 1,
					"numoutlets": 1,
					"patching_rect": [560.0, 290.0, 110.0, 22.0],
					"outlettype": [""],
					"text": "udpreceive #2"
				}
			},
			{
				"box": {
					"id": "obj-25",
					"maxclass": "newobj",
					"numinlets": 1,
					"numoutlets": 1,
					"patching_rect": [700.0, 290.0, 40.0, 22.0],
					"outlettype": [""],
					"text": "t b"
				}
			},
			{
				"box": {
					"id": "obj-26",
					"maxclass": "message",
					"numinlets": 2,
					"numoutlets": 1,
					"patching_rect": [700.0, 325.0, 40.0, 22.0],
					"outlettype": [""],
					"text": "stop"
				}
			},
			{
				"box": {
					"id": "obj-27",
					"maxclass": "newobj",
					"numinlets": 2,
					"numoutlets": 1,
					"patching_rect": [700.0, 360.0, 80.0, 22.0],
					"outlettype": [""],
					"text": "delay 3000"
				}
			},
			{
				"box": {
					"id": "obj-28",
					"maxclass": "message",
					"numinlets": 2,
					"numoutlets": 1,
					"patching_rect": [700.0, 395.0, 180.0, 22.0],
					"outlettype": [""],
					"text": "error -1 \"no answer: is stemtool serve running?\""
				}
			},
			{
				"box": {
					"id": "obj-29",
					"maxclass": "newobj",
					"numinlets": 5,
					"numoutlets": 5,
					"patching_rect": [560.0, 430.0, 330.0, 22.0],
					"outlettype": ["", "", "", "", ""],
					"text": "route /stems/progress /stems/stem /stems/done /stems/error"
				}
			},
			{
				"box": {
					"id": "obj-30",
					"maxclass": "newobj",
					"numinlets": 1,
					"numoutlets": 3,
					"patching_rect": [480.0, 470.0, 80.0, 22.0],
					"outlettype": ["", "", ""],
					"text": "unpack s 0. s"
				}
			},
			{
				"box": {
					"id": "obj-31",
					"maxclass": "newobj",
					"numinlets": 1,
					"numoutlets": 5,
					"patching_rect": [580.0, 470.0, 100.0, 22.0],
					"outlettype": ["", "", "", "", ""],
					"text": "unpack s 0 0 s s"
				}
			},
			{
				"box": {
					"id": "obj-32",
					"maxclass": "newobj",
					"numinlets": 1,
					"numoutlets": 3,
					"patching_rect": [690.0, 470.0, 80.0, 22.0],
					"outlettype": ["", "", ""],
					"text": "unpack s 0 s"
				}
			},
			{
				"box": {
					"id": "obj-33",
					"maxclass": "newobj",
					"numinlets": 1,
					"numoutlets": 4,
					"patching_rect": [790.0, 470.0, 90.0, 22.0],
					"outlettype": ["", "", "", ""],
					"text": "unpack s s 0 s"
				}
			},
			{
				"box": {
					"id": "obj-34",
					"maxclass": "newobj",
					"numinlets": 2,
					"numoutlets": 1,
					"patching_rect": [580.0, 505.0, 60.0, 22.0],
					"outlettype": [""],
					"text": "pack s s"
				}
			},
			{
				"box": {
					"id": "obj-35",
					"maxclass": "newobj",
					"numinlets": 1,
					"numoutlets": 1,
					"patching_rect": [690.0, 505.0, 80.0, 22.0],
					"outlettype": [""],
					"text": "prepend done"
				}
			},
			{
				"box": {
					"id": "obj-36",
					"maxclass": "newobj",
					"numinlets": 2,
					"numoutlets": 1,
					"patching_rect": [790.0, 505.0, 60.0, 22.0],
					"outlettype": [""],
					"text": "pack 0 s"
				}
			},
			{
				"box": {
					"id": "obj-37",
					"maxclass": "newobj",
					"numinlets": 1,
					"numoutlets": 1,
					"patching_rect": [790.0, 540.0, 80.0, 22.0],
					"outlettype": [""],
					"text": "prepend error"
				}
			},
			{
				"box": {
					"id": "obj-38",
					"maxclass": "outlet",
					"numinlets": 1,
					"numoutlets": 0,
					"patching_rect": [480.0, 590.0, 30.0, 30.0],
					"index": 1,
					"comment": "progress, 0. to 1."
				}
			},
			{
				"box": {
					"id": "obj-39",
					"maxclass": "outlet",
					"numinlets": 1,
					"numoutlets": 0,
					"patching_rect": [580.0, 590.0, 30.0, 30.0],
					"index": 2,
					"comment": "a stem: its name and the path of its file"
				}
			},
			{
				"box": {
					"id": "obj-40",
					"maxclass": "outlet",
					"numinlets": 1,
					"numoutlets": 0,
					"patching_rect": [690.0, 590.0, 30.0, 30.0],
					"index": 3,
					"comment": "done COUNT, or error CODE MESSAGE"
				}
			}
		],
		"lines": [
			{
				"patchline": {
					"source": ["obj-3", 0],
					"destination": ["obj-4", 0]
				}
			},
			{
				"patchline": {
					"source": ["obj-4", 0],
					"destination": ["obj-5", 0]
				}
			},
			{
				"patchline": {
					"source": ["obj-5", 0],
					"destination": ["obj-7", 0]
				}
			},
			{
				"patchline": {
					"source": ["obj-5", 1],
					"destination": ["obj-6", 0]
				}
			},
			{
				"patchline": {
					"source": ["obj-6", 0],
					"destination": ["obj-16", 2]
				}
			},
			{
				"patchline": {
					"source": ["obj-7", 3],
					"destination": ["obj-8", 0]
				}
			},
			{
				"patchline": {
					"source": ["obj-8", 0],
					"destination": ["obj-16", 6]
				}
			},
			{
				"patchline": {
					"source": ["obj-7", 2],
					"destination": ["obj-9", 0]
				}
			},
			{
				"patchline": {
					"source": ["obj-9", 0],
					"destination": ["obj-10", 0]
				}
			},
			{
				"patchline": {
					"source": ["obj-10", 0],
					"destination": ["obj-18", 0]
				}
			},
			{
				"patchline": {
					"source": ["obj-7", 1],
					"destination": ["obj-27", 0]
				}
			},
			{
				"patchline": {
					"source": ["obj-7", 0],
					"destination": ["obj-11", 0]
				}
			},
			{
				"patchline": {
					"source": ["obj-11", 1],
					"destination": ["obj-12", 0]
				}
			},
			{
				"patchline": {
					"source": ["obj-11", 0],
					"destination": ["obj-13", 0]
				}
			},
			{
				"patchline": {
					"source": ["obj-12", 0],
					"destination": ["obj-14", 1]
				}
			},
			{
				"patchline": {
					"source": ["obj-13", 0],
					"destination": ["obj-14", 0]
				}
			},
			{
				"patchline": {
					"source": ["obj-14", 0],
					"destination": ["obj-15", 0]
				}
			},
			{
				"patchline": {
					"source": ["obj-15", 1],
					"destination": ["obj-19", 1]
				}
			},
			{
				"patchline": {
					"source": ["obj-15", 0],
					"destination": ["obj-16", 0]
				}
			},
			{
				"patchline": {
					"source": ["obj-16", 0],
					"destination": ["obj-17", 0]
				}
			},
			{
				"patchline": {
					"source": ["obj-17", 0],
					"destination": ["obj-18", 0]
				}
			},
			{
				"patchline": {
					"source": ["obj-4", 1],
					"destination": ["obj-16", 5]
				}
			},
			{
				"patchline": {
					"source": ["obj-4", 2],
					"destination": ["obj-16", 1]
				}
			},
			{
				"patchline": {
					"source": ["obj-4", 3],
					"destination": ["obj-19", 0]
				}
			},
			{
				"patchline": {
					"source": ["obj-19", 0],
					"destination": ["obj-20", 0]
				}
			},
			{
				"patchline": {
					"source": ["obj-20", 0],
					"destination": ["obj-18", 0]
				}
			},
			{
				"patchline": {
					"source": ["obj-21", 0],
					"destination": ["obj-22", 0]
				}
			},
			{
				"patchline": {
					"source": ["obj-22", 0],
					"destination": ["obj-16", 1]
				}
			},
			{
				"patchline": {
					"source": ["obj-22", 0],
					"destination": ["obj-16", 5]
				}
			},
			{
				"patchline": {
					"source": ["obj-24", 0],
					"destination": ["obj-29", 0]
				}
			},
			{
				"patchline": {
					"source": ["obj-24", 0],
					"destination": ["obj-25", 0]
				}
			},
			{
				"patchline": {
					"source": ["obj-25", 0],
					"destination": ["obj-26", 0]
				}
			},
			{
				"patchline": {
					"source": ["obj-26", 0],
					"destination": ["obj-27", 0]
				}
			},
			{
				"patchline": {
					"source": ["obj-27", 0],
					"destination": ["obj-28", 0]
				}
			},
			{
				"patchline": {
					"source": ["obj-28", 0],
					"destination": ["obj-40", 0]
				}
			},
			{
				"patchline": {
					"source": ["obj-29", 0],
					"destination": ["obj-30", 0]
				}
			},
			{
				"patchline": {
					"source": ["obj-30", 1],
					"destination": ["obj-38", 0]
				}
			},
			{
				"patchline": {
					"source": ["obj-29", 1],
					"destination": ["obj-31", 0]
				}
			},
			{
				"patchline": {
					"source": ["obj-31", 3],
					"destination": ["obj-34", 0]
				}
			},
			{
				"patchline": {
					"source": ["obj-31", 4],
					"destination": ["obj-34", 1]
				}
			},
			{
				"patchline": {
					"source": ["obj-34", 0],
					"destination": ["obj-39", 0]
				}
			},
			{
				"patchline": {
					"source": ["obj-29", 2],
					"destination": ["obj-32", 0]
				}
			},
			{
				"patchline": {
					"source": ["obj-32", 1],
					"destination": ["obj-35", 0]
				}
			},
			{
				"patchline": {
					"source": ["obj-35", 0],
					"destination": ["obj-40", 0]
				}
			},
			{
				"patchline": {
					"source": ["obj-29", 3],
					"destination": ["obj-33", 0]
				}
			},
			{
				"patchline": {
					"source": ["obj-33", 2],
					"destination": ["obj-36", 0]
				}
			},
			{
				"patchline": {
					"source": ["obj-33", 3],
					"destination": ["obj-36", 1]
				}
			},
			{
				"patchline": {
					"source": ["obj-36", 0],
					"destination": ["obj-37", 0]
				}
			},
			{
				"patchline": {
					"source": ["obj-37", 0],
					"destination": ["obj-40", 0]
				}
			}
		]
	}
}
